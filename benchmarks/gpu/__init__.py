"""Training on one GPU through Keras's JAX backend: whole epochs as compiled programs."""

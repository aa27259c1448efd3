"""Random draws that depend on the epoch alone, so that a resumed training goes on as it would."""

from typing import Any

import keras
from keras import ops

# Draws of an epoch before the next one's begin; epochs before the first one's come back.
_DRAWS, _EPOCHS = 2**20, 2**11


class ReproducibleEpochs(keras.callbacks.Callback):
    """Starts every random generator of the model at a place that the epoch decides.

    Keras saves weights and optimizers, but not how far the generators of noise, dropout and
    stochastic quantizers have come: a resumed training would repeat the first epochs' draws. With
    this callback, in the first run and in the resumed one, epoch 7 draws the same in both. It needs
    layers with a seed. Of the data it knows nothing: give the resumed ``fit`` the batches that
    come next, for instance ``batches(...).repeat().skip(epochs_done * steps)``.

    Raises:
        ValueError: the model draws nothing.
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Find the generators."""
        self._states = [
            variable
            for variable in self.model.non_trainable_variables
            if variable.path.endswith("seed_generator_state")
        ]
        if not self._states:
            raise ValueError(
                f"ReproducibleEpochs found no random generator in model '{self.model.name}'."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Go to the epoch's place: a state is (seed, draws so far)."""
        for state in self._states:
            seed, _ = ops.convert_to_numpy(state.value).tolist()
            state.assign(ops.convert_to_tensor([seed, epoch % _EPOCHS * _DRAWS], state.dtype))

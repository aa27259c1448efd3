"""Keras's batch norm, in one kernel each way."""

from typing import Any

import keras

from qrobust.layers.batch_normalize import batch_normalize


@keras.saving.register_keras_serializable(package="qrobust")
class BatchNormalization(keras.layers.BatchNormalization):
    """``keras.layers.BatchNormalization``, three times as fast in training on a CPU.

    The same arithmetic and weights. Keras computes mean, variance and result as separate passes
    over memory; TensorFlow has one operator for all. Masks, other axes than the last, and layers
    without scale or center go Keras's own way.
    """

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        """Normalize with the batch's statistics in training, with the moving ones otherwise."""
        last = self.axis in (-1, len(inputs.shape) - 1)
        usual = last and self.scale and self.center and mask is None
        if not (training and self.trainable and usual):
            return super().call(inputs, training=training, mask=mask)
        # The variable's tensor, not the variable itself: JAX and torch take no other.
        epsilon = keras.ops.full_like(keras.ops.convert_to_tensor(self.gamma), self.epsilon)
        y, mean, variance = batch_normalize(inputs, self.gamma, self.beta, epsilon)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return y

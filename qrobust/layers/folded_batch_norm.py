"""Batch norm folded into the kernel before the kernel is quantized: what three layers share."""

from typing import Any

import keras
from keras import ops

from qrobust.layers.batch_normalize import batch_normalize


class FoldedBatchNorm:
    """Mixin of a Keras layer with a kernel: ``BN(linear(x, w))`` with one quantized linear map.

    In inference ``y = linear(x, Q(w * s)) + Q_b(beta - mean * s)``, ``s = gamma / sqrt(var + eps)``
    from the moving statistics, so that the kernel that is exported lies on its grid.

    In training the kernel is folded with the same moving statistics, and the batch's own are taken
    from the result ``z``, which the moving ones then correct::

        y = (z - mean_z) * |gamma| / sqrt(var_z + eps * s**2) + beta

    That is batch norm of the quantized layer at the cost of one convolution. (Folding with batch
    statistics, as QKeras does, convolves twice.) Moving statistics follow the quantized kernel's
    results, which is what inference sees.

    Attributes:
        frozen: whether the moving statistics are fixed and training computes what inference
            computes; see ``qrobust.callbacks.FreezeStatistics``.
    """

    frozen = False
    # Of the Keras layer that a subclass names as its second base, and of the subclass.
    add_weight: Any
    kernel: Any
    activation: Any
    _linear: Any

    def _init_norm(
        self, kernel_quantizer: Any, bias_quantizer: Any, momentum: float, epsilon: float
    ) -> None:
        self.kernel_quantizer = _revived(kernel_quantizer)
        self.bias_quantizer = _revived(bias_quantizer)
        self.momentum = momentum
        self.epsilon = epsilon
        # XLA makes beta - mean * s one fused multiply-add: another bias than the exported one.
        self.supports_jit = False

    def _build_norm(self, channels: int) -> None:
        def add(name: str, initializer: str, trainable: bool) -> Any:
            return self.add_weight(
                name=name, shape=(channels,), initializer=initializer, trainable=trainable
            )

        self.gamma = add("gamma", "ones", True)
        self.beta = add("beta", "zeros", True)
        self.moving_mean = add("moving_mean", "zeros", False)
        self.moving_variance = add("moving_variance", "ones", False)

    def folded_kernel(self) -> Any:
        """The quantized kernel that the layer multiplies by, in the layer's own layout."""
        kernel = ops.convert_to_tensor(self.kernel)
        scale = ops.reshape(self._scale(), self._scale_shape())
        folded = kernel * scale
        return folded if self.kernel_quantizer is None else self.kernel_quantizer(folded)

    def folded_bias(self) -> Any:
        """The quantized bias that the layer adds in inference, shape (channels,)."""
        bias = self.beta - self.moving_mean * self._scale()
        return bias if self.bias_quantizer is None else self.bias_quantizer(bias)

    def _scale(self) -> Any:
        deviation = ops.sqrt(self.moving_variance + self.epsilon)
        # TensorFlow's graphs turn a division by a root into a product with an approximate inverse
        # root: another last bit than the exported one, and so another integer for a weight that
        # training left on the edge between two. The maximum changes nothing and stands between.
        return self.gamma / ops.maximum(deviation, 1e-30)

    def _scale_shape(self) -> tuple[int, ...]:
        """The shape in which one value per channel broadcasts against the kernel."""
        return (-1,)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Normalize: in training, unless frozen, by the batch; else by the moving statistics."""
        z = self._linear(inputs, self.folded_kernel())
        batch = training and not self.frozen
        y = self._normalized(z) if batch else z + self.folded_bias()
        return y if self.activation is None else self.activation(y)

    def _normalized(self, z: Any) -> Any:
        scale = self._scale()
        squared = ops.square(scale)
        # epsilon belongs to the variance before folding, which is variance / scale**2.
        y, mean, variance = batch_normalize(
            z, ops.abs(self.gamma), self.beta, self.epsilon * squared
        )
        # A channel whose gamma is zero has no statistics to unfold: all stay zero.
        inverse = scale / (squared + 1e-12)
        self._update(self.moving_mean, mean * inverse)
        self._update(self.moving_variance, variance * ops.square(inverse))
        return y

    def _update(self, moving: Any, batch: Any) -> None:
        value = moving * self.momentum + ops.stop_gradient(batch) * (1 - self.momentum)
        moving.assign(value)

    # Keras's convolutions save a kernel and a bias by name, and nothing else.
    def save_own_variables(self, store: Any) -> None:
        """Save every variable."""
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Any) -> None:
        """Load every variable."""
        keras.layers.Layer.load_own_variables(self, store)

    def _norm_config(self) -> dict[str, Any]:
        return {
            "kernel_quantizer": keras.saving.serialize_keras_object(self.kernel_quantizer),
            "bias_quantizer": keras.saving.serialize_keras_object(self.bias_quantizer),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }


def _revived(quantizer: Any) -> Any:
    """A quantizer, or the one that a saved config describes."""
    if isinstance(quantizer, dict):
        return keras.saving.deserialize_keras_object(quantizer)
    return quantizer

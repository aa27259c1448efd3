"""Batch norm folded into the kernel before the kernel is quantized: what three layers share."""

from typing import Any

import keras
from keras import ops

from qrobust.layers.batch_normalize import batch_normalize
from qrobust.layers.batch_variance import batch_variance

# Added where a channel that is silent would divide by nothing.
_TINY = 1e-12
# Of measuring: statistics and the kernel that they scale agree after two, nearly always.
_ROUNDS = 3
_PARTS = ("kernel", "gamma", "beta", "statistics")
_HELD = {
    "gamma_regularizer": keras.regularizers.get,
    "beta_regularizer": keras.regularizers.get,
    "gamma_constraint": keras.constraints.get,
    "beta_constraint": keras.constraints.get,
}
_SERIALIZE = {
    "regularizer": keras.regularizers.serialize,
    "constraint": keras.constraints.serialize,
}


def norm_options(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Take what only the norm knows out of a layer's keyword arguments."""
    kwargs.pop("use_bias", None)
    return {name: kwargs.pop(name) for name in (*_HELD, "fixed") if name in kwargs}


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

    Every layer takes, beside its own arguments: ``gamma_regularizer``, ``beta_regularizer``,
    ``gamma_constraint`` and ``beta_constraint``, as Keras's batch norm does, and ``fixed``, the
    parts that do not train: "kernel", "gamma", "beta", "statistics". A layer that is not trainable
    computes in training what it computes in inference, as Keras's batch norm does.

    Attributes:
        frozen: whether the moving statistics are fixed and training computes what inference
            computes; see ``qrobust.callbacks.FreezeStatistics``.
        measuring: whether a call, which has to be eager, first makes the moving statistics those
            of its inputs, and then computes what inference computes.
    """

    frozen = False
    measuring = False
    # Of the Keras layer that a subclass names as its second base, and of the subclass.
    add_weight: Any
    trainable: Any
    kernel: Any
    gamma: Any
    beta: Any
    activation: Any
    _linear: Any

    def _init_norm(
        self,
        kernel_quantizer: Any,
        bias_quantizer: Any,
        momentum: float,
        epsilon: float,
        options: dict[str, Any],
    ) -> None:
        fixed = options.pop("fixed", ())
        unknown = sorted(set(fixed) - set(_PARTS))
        if unknown:
            raise ValueError(f"fixed names parts among {_PARTS}. Received: {unknown}")
        self.fixed = tuple(part for part in _PARTS if part in fixed)
        for name, get in _HELD.items():
            setattr(self, name, get(options.pop(name, None)))
        self.kernel_quantizer = _revived(kernel_quantizer)
        self.bias_quantizer = _revived(bias_quantizer)
        self.momentum = momentum
        self.epsilon = epsilon
        # XLA makes beta - mean * s one fused multiply-add: another bias than the exported one.
        self.supports_jit = False

    def _build_norm(self, channels: int) -> None:
        def add(name: str, initializer: str, trainable: bool, **held: Any) -> Any:
            return self.add_weight(
                name=name, shape=(channels,), initializer=initializer, trainable=trainable, **held
            )

        for name, initializer in (("gamma", "ones"), ("beta", "zeros")):
            held = {k: getattr(self, f"{name}_{k}") for k in ("regularizer", "constraint")}
            setattr(self, name, add(name, initializer, name not in self.fixed, **held))
        self.moving_mean = add("moving_mean", "zeros", False)
        self.moving_variance = add("moving_variance", "ones", False)
        if "kernel" in self.fixed:
            self.kernel.trainable = False

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
        if self.measuring:
            self._measure(inputs)
        kernel = self.folded_kernel()
        z = self._linear(inputs, kernel)
        y = self._normalized(z)[0] if self._by_batch(training) else z + self.folded_bias()
        return y if self.activation is None else self.activation(y)

    def with_kernel(self, inputs: Any) -> tuple[Any, Any]:
        """One training step's result before the activation, and the kernel for a penalty on it.

        The kernel's value is ``folded_kernel()``, what is exported. Where the batch normalizes, its
        gradient is that of the *normalized* kernel::

            K * r / stop_gradient(r),   r = |gamma| / sqrt(var_z + eps * s**2)

        with the gradient of the batch's variance. A penalty on K with the moving statistics as
        constants would shrink kernels along themselves, which the batch's statistics undo.

        Returns:
            (batch, ..., channels), and the kernel in the layer's own layout.
        """
        if self.measuring:
            self._measure(inputs)
        kernel = self.folded_kernel()
        z = self._linear(inputs, kernel)
        if not self._by_batch(training=True):
            return z + self.folded_bias(), kernel
        # Before the step moves the statistics that the kernel was folded with.
        epsilon, gamma = self.epsilon * ops.square(self._scale()), ops.abs(self.gamma)
        y, mean, variance = self._normalized(z)
        spread = batch_variance(z, mean, variance) + epsilon + _TINY
        factor = (
            gamma
            / ops.maximum(ops.stop_gradient(gamma), _TINY)
            * ops.sqrt(ops.stop_gradient(spread) / spread)
        )
        return y, kernel * ops.reshape(factor, self._scale_shape())

    def _by_batch(self, training: bool) -> bool:
        frozen = self.frozen or not self.trainable or "statistics" in self.fixed
        return training and not frozen and not self.measuring

    def _measure(self, inputs: Any) -> None:
        if not self.trainable or "statistics" in self.fixed:
            return
        axes = tuple(range(len(inputs.shape) - 1))
        # What a channel has that is silent as it is: of gamma 0, or a kernel that rounds to 0.
        _, plain = ops.moments(self._linear(inputs, ops.convert_to_tensor(self.kernel)), axes=axes)
        # Zero, of one example, would scale a kernel by 1 / sqrt(epsilon) for all that is left.
        plain = ops.where(plain > 0, plain, self.moving_variance)
        # Statistics follow the quantized kernel's results, and the kernel is quantized with them.
        for _ in range(_ROUNDS):
            z, scale = self._linear(inputs, self.folded_kernel()), self._scale()
            mean, variance = ops.moments(z, axes=axes)
            inverse = scale / (ops.square(scale) + _TINY)
            found = ops.where(variance > 0, variance * ops.square(inverse), plain)
            self.moving_mean.assign(mean * inverse)
            self.moving_variance.assign(found)

    def _normalized(self, z: Any) -> tuple[Any, Any, Any]:
        """The batch norm of z, and the batch's mean and variance; moves the moving ones."""
        scale = self._scale()
        squared = ops.square(scale)
        # epsilon belongs to the variance before folding, which is variance / scale**2.
        y, mean, variance = batch_normalize(
            z, ops.abs(self.gamma), self.beta, self.epsilon * squared
        )
        # A channel whose gamma is zero has no statistics to unfold: all stay zero.
        inverse = scale / (squared + _TINY)
        self._update(self.moving_mean, mean * inverse)
        self._update(self.moving_variance, variance * ops.square(inverse))
        return y, mean, variance

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
            **{name: _SERIALIZE[name.split("_")[1]](getattr(self, name)) for name in _HELD},
            "fixed": list(self.fixed),
        }


def _revived(quantizer: Any) -> Any:
    """A quantizer, or the one that a saved config describes."""
    if isinstance(quantizer, dict):
        return keras.saving.deserialize_keras_object(quantizer)
    return quantizer

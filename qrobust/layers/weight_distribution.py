"""A kernel whose entries have a learned mean and a learned spread."""

import math
from typing import Any

import keras
from keras import ops

_KINDS = (keras.layers.Dense, keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


@keras.saving.register_keras_serializable(package="qrobust")
class WeightDistribution(keras.layers.Wrapper):
    r"""Draws the kernel of the layer inside in training; in inference that layer is left as it is.

    Every entry of the kernel has a mean, which is the layer's own kernel ``w``, and a spread ``s``,
    both learned::

        w' = w + rms(w) * s * z,   s = log(1 + exp(rho)),   z standard normal

    with one draw ``z`` a batch. ``rms(w)``, a constant to gradients, makes ``s`` a share of the
    kernel's size, which folding a batch norm or a scale into the kernel does not change. The drawn
    kernel is then folded and quantized by the layer as ``w`` would be, so that what trains is what
    ``qrobust.ensembles.draw_members`` exports: K networks by seed. Exported as it is, the model is
    its mean network.

    The data alone would rather have no spread; ``entropy`` adds ``-entropy * mean(log s)`` to the
    loss, the part of a variational bound that keeps distributions wide (for a prior that is flat
    in ``log s``; in nats a weight).

    Args:
        layer: Dense, Conv2D or DepthwiseConv2D: float, QKeras's, or with a folded batch norm.
        spread: that every entry starts with, as a share of the kernel's root mean square.
        entropy: weight of the entropy term, not negative.
        seed: of the draws.

    Raises:
        ValueError: another kind of layer, a spread that is not positive, a negative entropy.

    Source:
        Khan et al. 2019 learn parameters as distributions and sample them at run time (from the
        abstract); the reparameterization is Blundell et al., Weight Uncertainty in Neural
        Networks, ICML 2015, section 3.2.
    """

    def __init__(
        self,
        layer: Any,
        spread: float = 0.1,
        *,
        entropy: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(layer, _KINDS):
            raise ValueError(
                f"WeightDistribution takes a Dense, Conv2D or DepthwiseConv2D layer. Received: "
                f"'{getattr(layer, 'name', layer)}' ({type(layer).__name__})"
            )
        kwargs.setdefault("name", f"{layer.name}_distribution")
        super().__init__(layer, **kwargs)
        for name, value, fits in (("spread", spread, spread > 0), ("entropy", entropy, True)):
            if not (fits and 0 <= value < float("inf")):
                raise ValueError(
                    f"spread is positive, entropy not negative. Received: {name}={value}"
                )
        self.spread = float(spread)
        self.entropy = float(entropy)
        self.seed = seed
        self._generator = keras.random.SeedGenerator(seed)
        self._start: Any = None

    def start_from(self, other: "WeightDistribution") -> None:
        """Begin with the spreads that another one, around a kernel of the same shape, has learned.

        Call it before this one is built; one that is not built has learned nothing.
        """
        if other.built:
            self._start = ops.convert_to_numpy(other.rho)

    def build(self, input_shape: Any = None) -> None:
        """Build the layer inside, and a spread for every entry of its kernel."""
        super().build(input_shape)
        # log(exp(s) - 1), which no large spread overflows.
        level = self.spread + math.log(-math.expm1(-self.spread))
        start = keras.initializers.Constant(level)
        self.rho = self.add_weight(
            name="rho", shape=kernel_of(self.layer).shape, initializer=start, trainable=True
        )
        if self._start is not None:
            self.rho.assign(self._start)

    def spreads(self) -> Any:
        """``rms(w) * s``, in the kernel's own units and shape."""
        kernel = ops.stop_gradient(ops.convert_to_tensor(kernel_of(self.layer)))
        return ops.softplus(self.rho) * ops.sqrt(ops.mean(ops.square(kernel)))

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run the layer; in training with a drawn kernel."""
        if not training:
            return self.layer(inputs, training=False)
        kernel = kernel_of(self.layer)
        z = keras.random.normal(kernel.shape, dtype=kernel.dtype, seed=self._generator)
        drawn = ops.convert_to_tensor(kernel) + self.spreads() * z
        # In the scope the layer reads the drawn tensor where its variable stands, whatever kind of
        # layer it is, and gradients go through it to mean and spread. The others are named, too: a
        # backend that trains inside such a scope of its own would lose them.
        held = [(v, v.value) for v in self.layer.variables if v is not kernel]
        with keras.StatelessScope([*held, (kernel, drawn)]) as scope:
            outputs = self.layer(inputs, training=True)
        for variable in self.layer.non_trainable_variables:  # statistics, seeds
            moved = scope.get_current_value(variable)
            if moved is not None:
                variable.assign(moved)
        if self.entropy:
            self.add_loss(-self.entropy * ops.mean(ops.log(ops.softplus(self.rho))))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the layer."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "spread": self.spread,
            "entropy": self.entropy,
            "seed": self.seed,
        }


def kernel_of(layer: Any) -> Any:
    """The variable that is a built linear layer's kernel."""
    own = getattr(layer, "depthwise_kernel", None)
    return layer.kernel if own is None else own

"""A convolution with folded batch norm."""

from typing import Any

import keras

from qrobust.layers.folded_batch_norm import FoldedBatchNorm, norm_options


@keras.saving.register_keras_serializable(package="qrobust")
class Conv2DBatchNorm(FoldedBatchNorm, keras.layers.Conv2D):
    """``keras.layers.Conv2D`` and the batch norm after it, as one quantized layer.

    See :class:`FoldedBatchNorm` for the arithmetic. Takes what ``keras.layers.Conv2D`` takes, but
    for ``use_bias`` (the norm's beta is the bias), and:

    Args:
        kernel_quantizer: quantizes the folded kernel, for instance
            ``PowerOfTwoWeights(4)``.
        bias_quantizer: quantizes the folded bias, for instance ``FixedPoint()``.
        momentum: of the moving statistics.
        epsilon: added to variances.
        **kwargs: those of the layer; ``fixed`` and the norm's regularizers and constraints.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        *,
        kernel_quantizer: Any = None,
        bias_quantizer: Any = None,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        **kwargs: Any,
    ) -> None:
        options = norm_options(kwargs)
        super().__init__(filters, kernel_size, use_bias=False, **kwargs)
        self._init_norm(kernel_quantizer, bias_quantizer, momentum, epsilon, options)

    def build(self, input_shape: Any) -> None:
        """Add the kernel, then the norm's weights."""
        super().build(input_shape)
        self._build_norm(self.filters)

    def _linear(self, inputs: Any, kernel: Any) -> Any:
        return self.convolution_op(inputs, kernel)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **self._norm_config()}

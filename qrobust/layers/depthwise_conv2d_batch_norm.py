"""A depthwise convolution with folded batch norm."""

from typing import Any

import keras
from keras import ops

from qrobust.layers.folded_batch_norm import FoldedBatchNorm, norm_options


@keras.saving.register_keras_serializable(package="qrobust")
class DepthwiseConv2DBatchNorm(FoldedBatchNorm, keras.layers.DepthwiseConv2D):
    """``keras.layers.DepthwiseConv2D`` and the batch norm behind it in one quantized layer.

    See :class:`FoldedBatchNorm` for the arithmetic. Takes what ``keras.layers.DepthwiseConv2D``
    takes, but for ``use_bias`` (the norm's beta is the bias), and:

    Args:
        kernel_quantizer: quantizes the folded kernel, for instance
            ``PowerOfTwoWeights(4, channel_axes=(-2, -1))``.
        bias_quantizer: quantizes the folded bias, for instance ``FixedPoint()``.
        momentum: of the moving statistics.
        epsilon: added to variances.
        **kwargs: those of the layer; ``fixed`` and the norm's regularizers and constraints.
    """

    def __init__(
        self,
        kernel_size: Any,
        *,
        kernel_quantizer: Any = None,
        bias_quantizer: Any = None,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        **kwargs: Any,
    ) -> None:
        options = norm_options(kwargs)
        super().__init__(kernel_size, use_bias=False, **kwargs)
        self._init_norm(kernel_quantizer, bias_quantizer, momentum, epsilon, options)

    def build(self, input_shape: Any) -> None:
        """Add the kernel, then the norm's weights."""
        super().build(input_shape)
        self._build_norm(int(self.kernel.shape[-2] * self.depth_multiplier))

    def _linear(self, inputs: Any, kernel: Any) -> Any:
        return ops.depthwise_conv(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )

    def _scale_shape(self) -> tuple[int, ...]:
        return (-1, self.depth_multiplier)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **self._norm_config()}

"""``quantize``: a float Sequential or Functional model's twin that exports bit for bit."""

from typing import Any

from qrobust.quantization.bit_widths import BitsByName, BitWidths
from qrobust.quantization.calibration import calibration_data, input_grids
from qrobust.quantization.checks import check_exports, check_float_model
from qrobust.quantization.conversion import Conversion
from qrobust.quantization.float32 import as_float32
from qrobust.quantization.options import Options
from tflite_export.grid import Grid


def quantize(
    model: Any,
    weight_bits: BitsByName = 4,
    activation_bits: BitsByName = 4,
    *,
    weight_scale: str = "least_squares",
    calibrate: Any = None,
    input_grid: Grid | str | None = None,
    exact: bool = True,
    seed: int | None = None,
    equal_steps: bool = False,
) -> Any:
    """The quantized twin of a float model, with its weights, ready to train further.

    Convolutions and dense layers become QKeras layers on per-channel power-of-two grids; one with
    a batch norm right behind it becomes one folded layer. Rescaling, Normalization and other batch
    norms go into the linear layer behind or before them before its kernel is rounded, or become a
    1 x 1 depthwise convolution where padding or another reader forbids that. A separable
    convolution becomes its two halves. A ReLU becomes ``QuantizedRelu``, a bounded one with its
    bound. Where a result would reach another layer without a ReLU (before an Add, after an average,
    the logits), an 8-bit ``QuantizedBits`` is put in; branches that meet in a sum get steps that
    every runtime adds alike. Layer names stay.

    Mixed precision: instead of a number, ``{pattern: bits, ...}`` by layer name, for instance
    ``{"stem_*": 8, "logits": 8, "*": 4}``; the first pattern that matches counts. For activations
    the name is that of the layer that holds the ReLU.

    Args:
        model: a built Sequential or Functional model; one of another type policy is taken as the
            same weights in float32.
        weight_bits: 2 to 6 for an exact export (7 and 8 train, too), "binary", "ternary" or
            "stochastic_ternary" (QKeras's), "mean_ternary" or "stochastic_mean_ternary"; or by
            layer name.
        activation_bits: of ReLU outputs, 1 to 8; or by layer name.
        weight_scale: "least_squares" or "max", see ``PowerOfTwoWeights``.
        calibrate: what ``model.predict`` takes, data sets included: activation ranges come from its
            first 512 examples. Without it: ReLU outputs in [0, 4), others in [-8, 8), logits in
            [-16, 16), which suits networks with batch norm; what no trained weights were applied
            to (a ReLU or an average of pixels), in the range that it has.
        input_grid: what the inputs hold: "pixels" (0 to 255), "unit" (0 to 1), "signed" (-1 to 1),
            "data" (taken from ``calibrate``) or a grid; the twin then begins with a quantizer that
            says so. By default what a ``GridNoise`` layer on the input says, else pixels, and
            ``calibrate`` is refused if it holds something else.
        exact: refuse a model whose twin could not be exported bit for bit as it is now. Not checked
            for weights of 7 and 8 bits, which never can.
        seed: of stochastic weights; every layer draws its own from it.
        equal_steps: give both operands and the result of every sum one step, which costs accuracy:
            OpenVINO then gives the same integers, too (other runtimes do anyway).

    Returns:
        A Functional model, not compiled.

    Raises:
        ValueError: a layer or activation that has no quantized twin, bits that a layer cannot
            take, a layer that matches no pattern or a pattern that matches no layer, weights or
            calibration data that are no finite numbers or do not fit the input's grid.
    """
    options = Options(
        BitWidths(weight_bits, "weight_bits"),
        BitWidths(activation_bits, "activation_bits"),
        weight_scale,
        seed,
        equal_steps,
    )
    model = as_float32(model)
    check_float_model(model)
    data = None if calibrate is None else calibration_data(model, calibrate)
    grids = input_grids(model, input_grid, data)
    twin = Conversion(model, options, data, grids).run()
    options.weight_bits.check()
    options.activation_bits.check()
    if exact:
        check_exports(twin)
    return twin

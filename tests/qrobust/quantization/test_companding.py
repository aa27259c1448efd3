"""The nonlinear mapping against its formula, on every runtime; what it refuses."""

import numpy as np
import pytest

from qrobust.quantization import companding
from qrobust.quantization.companding import S_CURVE
from tflite_export import check_parity, export, reference


def integers(model, pixels):
    file = export(model)
    (rows,) = reference.run(file.lowered.graph, np.asarray(pixels, np.int64) - 128)
    return rows - file.lowered.output_grids[0].zero_point


@pytest.mark.ordinary(2)
@pytest.mark.parametrize(
    "slopes", [S_CURVE, (3.875, 0.125), (1, 1), (0, 2, 0, 2), (0.125,) * 8, (0, 0), (7.75, 0.25)]
)
def test_a_companding_is_its_formula_on_every_runtime(slopes):
    model = companding((8, 8, 1), slopes)
    x = np.arange(256).reshape(4, 8, 8, 1)
    w = 256 // len(slopes)
    parts = [s * np.clip(x - k * w, 0, w) for k, s in enumerate(slopes)]
    expected = np.clip(np.floor(sum(parts) + 0.5), 0, 255)
    assert np.array_equal(model(x.astype("float32")), expected)
    assert np.array_equal(integers(model, x), expected)
    parity = check_parity(model, export(model), x)
    assert all(not differ for differ in parity.differing.values())
    assert (np.diff(expected.ravel()) >= 0).all()


def test_channels_do_not_mix():
    x = np.random.default_rng(1).integers(0, 256, (2, 4, 4, 3)).astype("float32")
    whole = companding((4, 4, 3))(x)
    for channel in range(3):
        alone = companding((4, 4, 1))(x[..., channel : channel + 1])
        assert np.array_equal(whole[..., channel : channel + 1], alone)


@pytest.mark.parametrize(
    ("slopes", "words"),
    [
        ((1.0, -0.5), "not monotone"),
        ((1.0, 0.3), "no exact kernel"),
        ((1.0, 16.0), "from 0 to 15"),
        ((1.0, 1.0, 1.0), "divide 256"),
        ((1.0,), "2 to 16"),
        ((4.125, 0.125), "at most 31 times"),
        ((4.125, 4.125), "at most 31 times"),
        ((15.0, 0.25), "at most 31 times"),
    ],
)
def test_slopes_that_no_exact_kernel_has_are_refused(slopes, words):
    with pytest.raises(ValueError, match=words):
        companding((8, 8, 1), slopes)

"""The denoiser: the identity before training, pixels in and out, exact where it is quantized."""

import numpy as np
import pytest

import qrobust
from qrobust.architectures import denoiser
from tflite_export import check_parity, export

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3))


@pytest.mark.parametrize("depth", [1, 3])
def test_untrained_it_is_the_identity(depth):
    model = denoiser((8, 8, 3), width=4, depth=depth)
    assert np.array_equal(model(PIXELS.astype("float32")), PIXELS)


def test_its_outputs_are_pixels():
    model = denoiser((8, 8, 3), width=4)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    twin = qrobust.quantize(model, 4, {"pixels": 8, "*": 8}, calibrate=PIXELS)
    exported = export(twin)
    grid = exported.lowered.output_grids[0]
    assert (grid.exponent, grid.zero_point, grid.minimum, grid.maximum) == (0, -128, -128, 127)
    parity = check_parity(twin, exported, PIXELS)
    assert all(not differ for differ in parity.differing.values())
    out = np.asarray(twin(PIXELS.astype("float32")))
    assert out.min() >= 0 and out.max() <= 255 and (out != PIXELS).any()


@pytest.mark.parametrize("options", [{"width": 0}, {"depth": 0}, {"input_scale": 0.3}])
def test_what_makes_no_network_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        denoiser((8, 8, 3), **options)

"""One step around every sum: nothing is rounded there, and OpenVINO may leave a rounding out."""

import keras
import numpy as np
import pytest

import qrobust
from tflite_export import check_parity, export
from tflite_export.clients import foreign_clients
from tflite_export.graph import Add

L = keras.layers


def residual():
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3))
    y = L.Conv2D(4, 3, padding="same", activation="relu", name="stem")(x)
    for number in range(2):
        z = L.Conv2D(4, 3, padding="same", name=f"a{number}")(y)
        z = L.BatchNormalization(name=f"norm{number}")(z)
        z = L.MaxPooling2D(3, strides=1, padding="same", name=f"pool{number}")(z)
        y = L.ReLU(name=f"relu{number}")(L.Add(name=f"sum{number}")([y, z]))
    z = L.Add(name="signed")([L.Conv2D(6, 1, name="left")(y), L.Conv2D(6, 1, name="right")(y)])
    return keras.Model(x, L.Dense(5, name="logits")(L.GlobalAveragePooling2D()(z)))


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
def test_every_sum_has_one_step(calibrated, bits):
    data = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3)).astype(np.float32)
    calibrate = data if calibrated else None
    found = {}
    for equal in (False, True):
        twin = qrobust.quantize(
            residual(), activation_bits=bits, calibrate=calibrate, equal_steps=equal
        )
        exported = export(twin)
        sums = [o for o in exported.graph.operators if isinstance(o, Add)]
        assert len(sums) == 3
        steps = [{t.grid.exponent for t in (*o.inputs, o.output)} for o in sums]
        found[equal] = all(len(step) == 1 for step in steps)
        if equal:
            assert steps[0] == steps[1]  # the identity shortcut ties them
            assert not any(foreign_clients(exported.graph).values())
            assert check_parity(twin, exported, data).is_exact
    assert found == {False: False, True: True}

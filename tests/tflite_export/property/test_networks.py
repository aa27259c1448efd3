"""Random networks: every runtime computes the integers of ``model.predict``, or export says no."""

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tflite_export import ExportError, check_parity, export

from .drawing import networks
from .effort import examples
from .networks import (
    Nested,
    Network,
    Noise,
    PlainRelu,
    Quantize,
    Rescale,
    Softmax,
    Sum,
    keras_model,
)
from .quantization import Bits, Relu, Weights
from .weighted import Dense, Depthwise

_EXAMPLES = 12


def inputs_on(grid, shape, seed):
    """Random integers of a grid as Keras's real values; the first examples are the extremes."""
    rng = np.random.default_rng(seed)
    q = rng.integers(grid.minimum, grid.maximum + 1, (_EXAMPLES, *shape))
    q[0], q[1], q[2] = grid.minimum, grid.maximum, grid.zero_point
    q[3] = np.where(q[3] > grid.zero_point, grid.maximum, grid.minimum)
    return grid.dequantize(q).astype(np.float32)


def refusal(network, seed=0, **options):
    """Why a network is not exported; None for one that is, whose integers are then compared."""
    model = keras_model(network)
    try:
        exported = export(model, **options)
    except ExportError as error:
        named = [layer.name for layer in (*model._flatten_layers(), model)]
        assert any(name in str(error) for name in named), error
        return str(error)
    (grid,) = exported.lowered.input_grids
    parity = check_parity(model, exported, inputs_on(grid, network.shape, seed))
    assert parity.is_exact, f"{parity}\n{exported.report}"
    assert exported.report.is_exact
    return None


@pytest.mark.thorough
@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_a_network_is_the_same_integers_everywhere_or_says_why_not(count):
    refusals = []

    @examples(count)
    @given(
        network=networks(),
        storage=st.sampled_from(["int8", "int4", "int2"]),
        io=st.sampled_from(["int8", "uint8"]),
        seed=st.integers(0, 2**16),
    )
    def check(network, storage, io, seed):
        why = refusal(network, seed, storage=storage, io=io)
        event("exported" if why is None else "refused")
        refusals.append(why)

    check()
    # Refusing everything would be exact, too.
    assert refusals.count(None) > 0.8 * len(refusals), [why for why in refusals if why]


PIXELS = Rescale(-8)
DENSE = Dense(Weights(4, "max", 1, 0, None, 0), Bits(4, 1), units=2)
OTHER = Dense(Weights(4, "max", 1, 0, None, 1), Bits(4, 1), units=2)
UNQUANTIZED = Dense(Weights(4, "max", 1, 0, None, 0), None, units=2)
FOUND = {
    "a ReLU after a sum that needs no quantizer": (Sum(((DENSE,), (OTHER,))), PlainRelu()),
    "noise after a sum that nothing quantizes": (UNQUANTIZED, Noise(0), OTHER),
    "noise between a sum and its quantizer": (UNQUANTIZED, Noise(0), Quantize(Relu(4, 1))),
    "noise after a residual sum": (Sum(((DENSE,), (OTHER,))), Noise(-3), DENSE),
    "the input itself in a sum": (PIXELS, Sum(((DENSE,), ())), Quantize(Relu(4, 1))),
    "a softmax in a model inside the model": (Nested((DENSE, Softmax())),),
}


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("found", FOUND)
def test_found_by_searching(found):
    refusal(Network((3, 3, 2), FOUND[found]))


def test_a_depthwise_convolution_in_int4_loads_everywhere():
    """LiteRT's reference kernels know DEPTHWISE_CONV_2D up to version 6."""
    ternary = Weights(None, "max", 1, 0, None, 0)
    layer = Depthwise(ternary, Relu(4, 1), kernel=(2, 2))
    refusal(Network((3, 3, 2), (layer,)), storage="int4")

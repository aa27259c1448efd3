"""What a file must be before bounds on its integer graph say anything about it."""

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify import Box, FamilyOf, Problem, verify
from qrobust.verify.batch import ProofJob, job_header
from qrobust.verify.outcome import PROVEN
from tflite_export import reference
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.graph import FullyConnected, IntegerGraph, Tensor
from tflite_export.grid import Grid
from tflite_export.read import read_graph

from .nets import dense_net, file_of


def rare_ties():
    """Weights of 8 bits, which leave no room against ties: kernels round a few of 65,536 to even.

    On 64 random inputs file and graph agree all the same.
    """
    x = Tensor("x", (2,), Grid.pixels())
    weights = np.array([[127, 10], [-127, 45]])
    layer = FullyConnected(
        inputs=(x,), output=Tensor("y", (2,), Grid.signed(8, 0)), weights=weights,
        bias=np.array([-17000, 12000]), weight_exponents=np.full(2, -9),
    )  # fmt: skip
    return to_flatbuffer(IntegerGraph("ties", (x,), (layer.output,), (layer,)))


def test_bounds_need_the_contract_not_inputs_that_agree():
    content = rare_ties()
    problem, graph = Problem(content), read_graph(content)
    inputs = np.stack(np.meshgrid(np.arange(256), np.arange(256), indexing="ij"), -1)
    inputs = inputs.reshape(-1, 2).astype(np.int16)
    (logits,) = reference.run(graph, problem.stored(inputs))
    found = problem.predictor.predict_batch(inputs)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 256, (64, 2))
    drawn = drawn[:, 0] * 256 + drawn[:, 1]
    assert (logits[drawn] == found[drawn]).all()
    (differ,) = np.nonzero(logits.argmax(axis=1) != found.argmax(axis=1))
    assert 0 < len(differ) < 300
    for x in inputs[differ[:3]]:
        for method in ("intervals", "linear", "branching"):
            with pytest.raises(CertifyError, match="outside the integer contract"):
                verify(problem, x, Box(x, x), method)
    header = job_header(problem, ProofJob(content, "light:1"), _Nothing())
    assert header["about"] == "the xnnpack kernels of LiteRT"
    assert verify(problem, np.array([0, 0]), FamilyOf("light:1")).status == PROVEN


class _Nothing:
    sha256 = ""


def test_a_file_of_the_contract_is_about_integers():
    content = file_of(dense_net(0))
    header = job_header(Problem(content), ProofJob(content, "light:1"), _Nothing())
    assert header["about"] == "the file's integer function"

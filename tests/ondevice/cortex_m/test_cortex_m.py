import os
import sys

import numpy as np
import pytest

from ..cache import default_cache
from ..runtime import Unavailable, Unsupported
from . import emulator
from .certificates import compare_certificates
from .core import CORES, CortexM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("QROBUST_ONDEVICE") != "1",
        reason="installs a cross compiler and an emulator; set QROBUST_ONDEVICE=1 to run it",
    ),
]


def installed(name):
    core = CortexM(name)
    try:
        core.install(default_cache())
    except Unavailable as error:
        pytest.skip(f"{name}: {error}")
    return core


@pytest.fixture(scope="module")
def graphs():
    """Random graphs of every operator, and files of those that a file can hold."""
    emulator.load_device()
    sys.path.insert(0, str(emulator.PROJECT / "tests" / "helpers"))
    from random_graphs import random_graph, random_inputs

    drawn = [random_graph(seed) for seed in range(60)]
    single = [g for g in drawn if len(g.inputs) == len(g.outputs) == 1]
    return [(graph, random_inputs(graph, 1)[0]) for graph in single]


@pytest.mark.parametrize("name", CORES)
def test_the_c_computes_the_specification(name, graphs, tmp_path):
    """Dual multiply-accumulate and plain C give the reference's integers."""
    installed(name)
    device = emulator.load_device()
    from tflite_export import reference
    from tflite_export.c99 import write

    assert len(graphs) > 15
    for graph, inputs in graphs:
        write(graph, tmp_path)
        program = device.build_core(device.CORES[name], tmp_path)
        outputs = device.run(program, inputs.astype(np.int8)).outputs
        expected = reference.run(graph, inputs)[0]
        np.testing.assert_array_equal(outputs, expected.reshape(outputs.shape))


@pytest.mark.parametrize("name", CORES)
def test_certificates_equal_pythons(name):
    installed(name)
    emulator.load_device()
    sys.path.insert(0, str(emulator.PROJECT / "tests" / "helpers"))
    from firmware_model import classifier

    from qrobust.certify import SmoothingSpec, attach_spec
    from tflite_export.flatbuffer import to_flatbuffer
    from tflite_export.passes.tie_free import tie_free

    file = to_flatbuffer(tie_free(classifier()))
    spec = SmoothingSpec.for_model(file, sigma=30, tables=((200, "0.001"),))
    images = np.random.default_rng(1).integers(0, 256, (10, 6, 6, 1))
    counted = compare_certificates(name, attach_spec(file, spec), images, pilot=20)
    assert (counted.outputs, counted.certificates) == (0, 0)


@pytest.mark.parametrize("name", CORES)
def test_the_certifier_fits_in_kilobytes(name, tmp_path):
    installed(name)
    device = emulator.load_device()
    sys.path.insert(0, str(emulator.PROJECT / "tests" / "helpers"))
    from firmware_model import classifier

    from qrobust.certify import SmoothingSpec, attach_spec, c99
    from tflite_export.c99 import write
    from tflite_export.flatbuffer import to_flatbuffer
    from tflite_export.passes.tie_free import tie_free

    file = to_flatbuffer(tie_free(classifier()))
    spec = SmoothingSpec.for_model(file, sigma=64, tables=((200, "0.001"),))
    write(classifier(), tmp_path)
    c99.write(attach_spec(file, spec), tmp_path)
    core = device.CORES[name]
    code, tables = (device.flash_bytes([tmp_path / source], core) for source in device.CERTIFIER)
    assert (code < 3_500, tables < 3_000) == (True, True), (code, tables)
    program = device.build_core(core, tmp_path)
    meter = device.run(program, np.zeros((1, 6, 6, 1), np.int8), pilot=10).meter
    assert meter.stack_certify < 768, meter  # its own frames and the network's below them


def test_files_of_other_converters_are_refused(make_model, pixels):
    core = installed("cortex-m3")
    with pytest.raises(Unsupported, match="no power of two"):
        core.run(make_model("int8"), pixels.astype(np.int8))


def test_the_meter_counts_instructions(tmp_path):
    installed("cortex-m3")
    device = emulator.load_device()
    sys.path.insert(0, str(emulator.PROJECT / "tests" / "helpers"))
    from firmware_model import classifier

    from tflite_export.c99 import write

    write(classifier(), tmp_path)
    program = device.build_core(device.CORES["cortex-m3"], tmp_path)
    meter = device.run(program, np.zeros((1, 6, 6, 1), np.int8)).meter
    assert 2_000 < meter.run < 20_000  # 540 multiply-accumulates and what goes with them
    assert 50 < meter.stack_run < 1_000

"""The microcontroller's whole program on this computer: outputs, votes, certificates."""

import importlib.util
import sys

import numpy as np
import pytest
from c_compiler import needs_compiler
from firmware_model import EXAMPLE, classifier

from qrobust.certify import Certifier, SmoothingSpec, attach_spec, c99
from tflite_export import c99 as tflite_c99
from tflite_export import reference
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.passes.tie_free import tie_free
from tflite_export.read import read_graph

from ..counting_files import counting_file

RADIUS, N, ALPHA = "20", 300, "0.001"


def load_device():
    spec = importlib.util.spec_from_file_location("device", EXAMPLE / "device.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def device():
    needs_compiler()
    return load_device()


@pytest.fixture(scope="module")
def made(tmp_path_factory, device):
    folder, graph = tmp_path_factory.mktemp("firmware"), classifier()
    file = to_flatbuffer(tie_free(graph))
    spec = SmoothingSpec.for_model(
        file, sigma=30, tables=((N, ALPHA),), tests=((RADIUS, N, ALPHA),)
    )
    model = attach_spec(file, spec)
    tflite_c99.write(graph, folder)
    c99.write(model, folder)
    flags = ("-O1", *device.SANITIZERS)
    return graph, model, device.build_host(folder, flags=flags)


@pytest.mark.parametrize("sequential", [False, True])
def test_certificates_equal_pythons(device, made, sequential):
    graph, model, program = made
    # From hardly any contrast to full.
    contrast = np.linspace(0.02, 1, 12).reshape(-1, 1, 1, 1)
    pixels = np.random.default_rng(1).integers(-128, 128, (12, 6, 6, 1))
    images = 128 + (contrast * pixels).astype(int)
    result = device.run(
        program,
        (images - 128).astype(np.int8),
        pilot=20,
        sequential=sequential,
        seed=2**40 + 3,
        first=5,
    )
    np.testing.assert_array_equal(result.outputs, reference.run(graph, images - 128)[0])
    settings = {"method": "sequential", "radius": RADIUS} if sequential else {}
    with Certifier(model, seed=2**40 + 3, threads=1) as certifier:
        expected = [
            certifier.certify(image, n0=20, n=N, alpha=ALPHA, index=5 + i, **settings)
            for i, image in enumerate(images)
        ]
    assert len({c.decision for c in expected}) > 1, expected  # some hold, some do not
    for ours, theirs in zip(result.certificates, expected, strict=True):
        assert (ours.index, ours.decision_name) == (theirs.index, theirs.decision)
        assert (ours.label, ours.candidate) == (theirs.label, theirs.candidate)
        assert (ours.radius_q16, ours.samples) == (theirs.radius_q16, theirs.n)
        assert ours.votes == theirs.votes


def test_damaged_tables_end_the_program(device, made, tmp_path):
    graph, model, _ = made
    tflite_c99.write(graph, tmp_path)
    c99.write(model, tmp_path)
    tables = tmp_path / "certifier_tables.c"
    text = tables.read_text()
    tables.write_text(text.replace("0x43425251u", "0x43425250u"))
    with pytest.raises(device.DeviceError, match="tables are damaged"):
        device.run(device.build_host(tmp_path), np.zeros((1, 6, 6, 1), np.int8))


@pytest.mark.parametrize("kind", ["splits", "bands"])
def test_counted_certificates_equal_pythons(device, tmp_path, kind):
    file = counting_file(kind)
    tflite_c99.write(read_graph(file), tmp_path)
    c99.write(file, tmp_path)
    program = device.build_host(tmp_path, flags=("-O1", *device.SANITIZERS))
    x = np.random.default_rng(6).integers(0, 256, (8, 4, 5, 1)).astype(np.uint8)
    images = (x.astype(np.int16) - 128).astype(np.int8)
    result = device.run(program, images, pilot=1, first=3)
    with Certifier(file, threads=1, trusted=True) as certifier:
        expected = [certifier.certify(image, index=3 + i) for i, image in enumerate(x)]
    assert not result.outputs.size
    assert len({c.radius_q16 for c in expected}) > 1, expected
    for ours, theirs in zip(result.certificates, expected, strict=True):
        assert (ours.index, ours.decision_name) == (theirs.index, theirs.decision)
        assert (ours.label, ours.candidate) == (theirs.label, theirs.candidate)
        assert (ours.radius_q16, ours.samples) == (theirs.radius_q16, theirs.n)
        assert ours.votes == theirs.votes


def test_tables_of_another_network_end_the_program(device, tmp_path):
    file, other = counting_file("splits"), counting_file("bands")
    tflite_c99.write(read_graph(file), tmp_path)
    c99.write(other, tmp_path)
    with pytest.raises(device.DeviceError, match="tables are damaged or not this model's"):
        device.run(device.build_host(tmp_path), np.zeros((1, 4, 5, 1), np.int8), pilot=1)

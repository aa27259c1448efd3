"""The same C on 64-bit ARM: cross-compiled, run under qemu-user."""

import os
import sys

import numpy as np
import pytest

from ..debian import find_or_install
from ..runtime import Unavailable
from . import emulator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("QROBUST_ONDEVICE") != "1",
        reason="installs a cross compiler and an emulator; set QROBUST_ONDEVICE=1 to run it",
    ),
]
COMPILER = "aarch64-linux-gnu-gcc"


def test_certificates_equal_pythons(tmp_path):
    try:
        find_or_install("gcc-aarch64-linux-gnu", [COMPILER])
        find_or_install("libc6-dev-arm64-cross", ["/usr/aarch64-linux-gnu/lib/libc.a"])
        qemu = find_or_install("qemu-user-static", ["qemu-aarch64-static", "qemu-aarch64"])
    except Unavailable as error:
        pytest.skip(str(error))
    device = emulator.load_device()
    sys.path.insert(0, str(emulator.PROJECT / "tests" / "helpers"))
    from firmware_model import classifier

    from qrobust.certify import Certifier, SmoothingSpec, attach_spec, c99
    from tflite_export import reference
    from tflite_export.c99 import write
    from tflite_export.flatbuffer import to_flatbuffer
    from tflite_export.passes.tie_free import tie_free

    graph = classifier()
    file = to_flatbuffer(tie_free(graph))
    spec = SmoothingSpec.for_model(file, sigma=30, tables=((200, "0.001"),))
    model = attach_spec(file, spec)
    write(graph, tmp_path)
    c99.write(model, tmp_path)
    program = device.build_host(
        tmp_path, compiler=COMPILER, flags=("-O2", "-static"), launcher=qemu
    )
    images = np.random.default_rng(1).integers(0, 256, (10, 6, 6, 1))
    result = device.run(program, (images - 128).astype(np.int8), pilot=20, seed=9)
    np.testing.assert_array_equal(result.outputs, reference.run(graph, images - 128)[0])
    with Certifier(model, seed=9) as certifier:
        for ours, image in zip(result.certificates, images, strict=True):
            theirs = certifier.certify(image, n0=20, n=200, alpha="0.001", index=ours.index)
            assert (ours.label, ours.radius_q16) == (theirs.label, theirs.radius_q16)
            assert ours.votes == theirs.votes

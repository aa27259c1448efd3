"""The TFLM sketch, compiled against its interface stub, certifies as Python does."""

import shutil
import subprocess

import numpy as np
import pytest
from c_compiler import compile_program
from firmware_model import EXAMPLE, classifier

from qrobust.certify import Certifier, SmoothingSpec, attach_spec, c99
from tflite_export import c99 as tflite_c99
from tflite_export.flatbuffer import to_flatbuffer
from tflite_export.passes.tie_free import tie_free

SKETCH = EXAMPLE / "tflm"


def test_the_sketch_certifies_as_python_does(tmp_path):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler (g++) on this machine")
    graph = classifier()
    file = to_flatbuffer(tie_free(graph))
    model = attach_spec(file, SmoothingSpec.for_model(file, sigma=30, tables=((100, "0.001"),)))
    tflite_c99.write(graph, tmp_path)
    c99.write(model, tmp_path)
    (tmp_path / "model_data.h").write_text("extern const unsigned char model_data[];\n")
    (tmp_path / "model_data.cc").write_text(
        '#include "model_data.h"\nextern const unsigned char model_data[] = {0};\n'
    )
    objects = []
    for name in ("model.c", "qrobust_certify.c", "certifier_tables.c"):
        target = tmp_path / f"{name}.o"
        objects.append(compile_program([tmp_path / name], target, ["-std=c99", "-O1", "-c"]))
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"]
    sources = [SKETCH / "src/main.cpp", SKETCH / "stub/arduino.cpp", tmp_path / "model_data.cc"]
    command = [compiler, *flags, f"-I{SKETCH / 'stub'}", f"-I{tmp_path}", *sources, *objects]
    done = subprocess.run(
        [*command, "-o", tmp_path / "sketch"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

    images = np.random.default_rng(1).integers(0, 256, (5, 6, 6, 1))
    stream = (images - 128).astype(np.int8).tobytes()
    ran = subprocess.run([tmp_path / "sketch"], input=stream, capture_output=True, check=True)
    with Certifier(model, seed=0, threads=1) as certifier:
        for index, (line, image) in enumerate(
            zip(ran.stdout.decode().splitlines(), images, strict=True)
        ):
            c = certifier.certify(image, n0=100, n=100, alpha="0.001", index=index)
            expected = (index, c.label, c.candidate, c.radius_q16, *c.votes)
            assert line == " ".join(["certificate", *map(str, expected)])

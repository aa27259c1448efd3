"""The phone samples as far as this machine compiles them: C for phones, Kotlin on its JVM."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from house import ROOT

from qrobust.certify import Certifier, read_spec
from qrobust.datasets import digits
from tflite_export.c99 import write
from tflite_export.read import read_graph

ANDROID = ROOT / "examples" / "android" / "app" / "src" / "main"
IOS = ROOT / "examples" / "ios"
HERE = Path(__file__).parent / "android"
DIGITS = ROOT / "models" / "digits" / "model.tflite"
SEED, PILOT, N, ALPHA = 11, 30, 100, "0.001"
WARNINGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")


def need(*names):
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")


def java_includes():
    need("gcc", "javac")
    home = Path(os.environ.get("JAVA_HOME") or Path(shutil.which("javac")).resolve().parents[1])
    if not (home / "include" / "jni.h").exists():
        pytest.skip("the JDK has no jni.h")
    return [f"-I{home / 'include'}", f"-I{home / 'include' / 'linux'}"]


def checked(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What the samples' script writes, and the network as C where LiteRT is not."""
    folder = tmp_path_factory.mktemp("phone")
    np.savez(folder / "data.npz", x=digits().test.x[:12])
    script = ROOT / "examples" / "android" / "assets.py"
    places = ["--sources", str(folder), "--assets", str(folder), "-n", str(N), "--index", "1"]
    command = [sys.executable, str(script), str(DIGITS), str(folder / "data.npz"), *places]
    checked(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    write(read_graph(DIGITS.read_bytes()), folder)
    return folder


def test_the_input_is_the_one_that_was_asked_for(written):
    tensor = np.frombuffer((written / "input.bin").read_bytes(), np.int8)
    assert tensor.tolist() == (digits().test.x[1].ravel().astype(int) - 128).tolist()
    assert read_spec((written / "model.tflite").read_bytes()).tables[0].n == N


@pytest.fixture(scope="module")
def library(written):
    sources = [ANDROID / "cpp" / "certifier_jni.c", HERE / "host_network.c"]
    sources += [written / "qrobust_certify.c", written / "model.c"]
    target = written / "libqrobust_sample.so"
    flags = (*WARNINGS, "-fPIC", "-shared", f"-I{written}", *java_includes())
    checked(["gcc", *flags, *map(str, sources), "-o", str(target)])
    return target


def test_the_jni_names_are_those_that_kotlin_looks_for(library):
    need("nm")
    kotlin = (ANDROID / "kotlin" / "org" / "qrobust" / "sample" / "Certifier.kt").read_text()
    wanted = {
        line.split("(")[0].split()[-1] for line in kotlin.splitlines() if " external " in line
    }
    assert wanted == {"open", "release", "radiusQ16", "countVotes"}
    held = checked(["nm", "-D", "--defined-only", str(library)])
    for name in wanted:
        assert f" T Java_org_qrobust_sample_Certifier_{name}\n" in held


@pytest.mark.slow
def test_kotlin_on_a_jvm_gets_pythons_certificates(library, written):
    need("kotlinc", "java")
    jar = written / "host.jar"
    # All of the sample; Android and LiteRT are stubs that give types.
    sources = [*ANDROID.rglob("*.kt"), HERE / "Host.kt", *sorted((HERE / "stub").glob("*.kt"))]
    checked(["kotlinc", *map(str, sources), "-include-runtime", "-d", str(jar)])
    x = digits().test.x[:12]
    (written / "images.bin").write_bytes((x.astype(np.int16) - 128).astype(np.int8).tobytes())
    command = ["java", f"-Djava.library.path={written}", "-Xcheck:jni", "-cp", str(jar)]
    command += ["org.qrobust.sample.HostKt", str(written / "tables.bin")]
    command += [str(written / "images.bin"), "64", "10", str(PILOT), str(SEED)]
    lines = [line for line in checked([*command, "0"]).splitlines() if line[:1] in "-0123456789"]
    with Certifier(DIGITS, seed=SEED, threads=1) as certifier:
        for index, (image, line) in enumerate(zip(x, lines, strict=True)):
            ours = certifier.certify(image, n0=PILOT, n=N, alpha=ALPHA, index=index)
            label, radius, *votes = line.split()
            assert (int(label), float(radius)) == (ours.label, ours.radius)
            assert tuple(map(int, votes)) == ours.votes
    # A network that throws stops the certifier, and says why.
    failed = subprocess.run([*command, "50"], capture_output=True, text=True, check=False)
    assert failed.returncode != 0 and "the network failed" in failed.stderr


@pytest.mark.parametrize("target", ["arm64-apple-ios15", "aarch64-linux-android24"])
def test_the_certifier_compiles_for_phones(written, target, tmp_path):
    need("clang")
    shim = f"-I{ROOT / 'qrobust' / 'web' / 'wasm'}"  # a <string.h> for a target without its SDK
    made = tmp_path / "certify.o"
    flags = (*WARNINGS, f"--target={target}", "-ffreestanding", shim, f"-I{written}")
    checked(["clang", *flags, "-c", str(written / "qrobust_certify.c"), "-o", str(made)])
    magic = {"arm64-apple-ios15": b"\xcf\xfa\xed\xfe", "aarch64-linux-android24": b"\x7fELF"}
    assert made.read_bytes()[:4] == magic[target]


def test_what_swift_imports_is_what_the_header_declares(written):
    """No Swift compiler is here: at least every name that it takes from C is one."""
    header = (written / "qrobust_certify.h").read_text()
    swift = (IOS / "Sample" / "Certifier.swift").read_text()
    names = set(re.findall(r"\b(?:qrc_|QRC_)\w+", swift))
    assert names >= {"qrc_open", "qrc_certify", "qrc_model", "qrc_request"}
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", header)] == []

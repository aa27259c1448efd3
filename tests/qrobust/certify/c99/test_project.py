"""Generated C as a library: built as each build system would, as far as it is on this machine."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from qrobust import cli
from qrobust.certify import Certifier, CertifyError, SmoothingSpec, attach_spec, c99
from tests.qrobust.certify.tiny_models import linear
from tflite_export import c99 as network_c99

# On bright pictures the first class wins.
WEIGHTS = np.array([[3] * 16, [1, -1] * 8, [-2] * 16])
BRIGHT = 200


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder, and the file that it was made of."""
    folder = tmp_path_factory.mktemp("library") / "lib"
    plain = linear(WEIGHTS, shape=(4, 4, 1), output_shift=3)
    spec = SmoothingSpec.for_model(plain, sigma=16, tables=((100, "0.001"),))
    file = attach_spec(plain, spec)
    from tflite_export import read_graph

    folder.mkdir()
    network_c99.write(read_graph(file), folder)
    c99.write(file, folder)
    return folder, file, c99.write_project(folder)


def run(*words, **options):
    done = subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    return done.stdout


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")


def test_every_build_system_gets_its_file(made):
    folder, _, written = made
    here = {path.relative_to(folder).as_posix() for path in written}
    assert here == {
        "CMakeLists.txt",
        "examples/certify/certify.ino",
        "examples/plain/main.c",
        "library.json",
        "library.properties",
        "zephyr/CMakeLists.txt",
        "zephyr/Kconfig",
        "zephyr/module.yml",
    }
    assert json.loads((folder / "library.json").read_text())["build"]["srcFilter"] == ["+<*.c>"]
    fields = dict(
        line.split("=", 1) for line in (folder / "library.properties").read_text().splitlines()
    )
    assert {"name", "version", "author", "sentence", "category", "architectures"} <= set(fields)
    assert len((folder / "examples/plain/main.c").read_text().splitlines()) < 40


def test_cmake_builds_the_example_which_says_what_python_says(made, tmp_path):
    needs("cmake", "cc")
    lib, file, _ = made
    folder = shutil.copytree(lib, tmp_path / "lib")
    example = folder / "examples/plain/main.c"
    text = example.read_text()
    empty = "picture[MODEL_INPUT_SIZE];"
    assert empty in text
    pixels = ", ".join([str(BRIGHT)] * 16)
    example.write_text(text.replace(empty, f"picture[] = {{{pixels}}};"))
    build = tmp_path / "b"
    run("cmake", "-S", folder, "-B", build, "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Werror")
    run("cmake", "--build", build)
    label, radius = map(int, run(build / "certify").split())
    with Certifier(file, seed=0, trusted=True) as certifier:
        bright = np.full((4, 4, 1), BRIGHT)
        found = certifier.certify(bright, n0=50, n=100, alpha="0.001")
    assert (label, radius) == (found.label, found.radius_q16) and label == 0


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m33"])
def test_cmake_builds_the_library_for_a_microcontroller(made, tmp_path, core):
    needs("cmake", "arm-none-eabi-gcc", "arm-none-eabi-size")
    outer = tmp_path / "CMakeLists.txt"
    outer.write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(device C)\n"
        f'add_subdirectory("{made[0]}" lib)\n'
    )
    words = ("-DCMAKE_SYSTEM_NAME=Generic", "-DCMAKE_C_COMPILER=arm-none-eabi-gcc")
    words += ("-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY",)
    flags = f"-DCMAKE_C_FLAGS=-mcpu={core} -mthumb -O2 -Wall -Wextra -Werror"
    run("cmake", "-S", tmp_path, "-B", tmp_path / "b", *words, flags)
    run("cmake", "--build", tmp_path / "b")
    (library,) = (tmp_path / "b").rglob("libcertified_network.a")
    sizes = run("arm-none-eabi-size", "-t", library)
    text, data, _ = map(int, sizes.splitlines()[-1].split()[:3])
    print(sizes)
    assert 1000 < text < 20_000 and data < 64


STUBS = {
    "esp-idf": (
        "set(ESP_PLATFORM 1)\n"
        "function(idf_component_register)\n"
        '  cmake_parse_arguments(a "" "" "SRC_DIRS;INCLUDE_DIRS" ${{ARGN}})\n'
        '  file(GLOB s "${{CMAKE_CURRENT_LIST_DIR}}/${{a_SRC_DIRS}}/*.c")\n'
        "  add_library(made STATIC ${{s}})\n"
        "endfunction()\n"
        'add_subdirectory("{folder}" lib)\n'
    ),
    "zephyr": (
        "set(CONFIG_CERTIFIED_NETWORK y)\n"
        "function(zephyr_library_named n)\n  add_library(made STATIC)\nendfunction()\n"
        "function(zephyr_library_sources)\n"
        "  target_sources(made PRIVATE ${{ARGN}})\nendfunction()\n"
        "function(zephyr_include_directories)\n"
        "  target_include_directories(made PUBLIC ${{ARGN}})\nendfunction()\n"
        'add_subdirectory("{folder}/zephyr" lib)\n'
    ),
}


@pytest.mark.parametrize("system", STUBS)
def test_stand_ins_of_other_systems_find_every_source(made, tmp_path, system):
    """Their functions as their manuals describe them; the systems themselves are no packages."""
    needs("cmake", "cc")
    head = "cmake_minimum_required(VERSION 3.13)\nproject(stub C)\n"
    (tmp_path / "CMakeLists.txt").write_text(head + STUBS[system].format(folder=made[0]))
    run("cmake", "-S", tmp_path, "-B", tmp_path / "b")
    run("cmake", "--build", tmp_path / "b")
    (library,) = (tmp_path / "b").rglob("libmade.a")
    symbols = run("nm", library)
    for name in ("model_run", "qrc_certify", "certifier_tables"):
        assert f" {name}" in symbols
    assert " main" not in symbols


def test_the_sketch_compiles_against_stand_ins_of_arduino(made, tmp_path):
    needs("g++")
    folder, _, _ = made
    (tmp_path / "sketch.cpp").write_text(
        "#include <cstddef>\n#include <cstdint>\n"
        "struct { void begin(long) {} template <class T> void print(T) {}\n"
        "  template <class T> void println(T) {}\n"
        "  std::size_t readBytes(std::uint8_t *, std::size_t n) { return n; } } Serial;\n"
        + (folder / "examples/certify/certify.ino").read_text()
        + "\nint main() { setup(); loop(); }\n"
    )
    objects = []
    for source in folder.glob("*.c"):
        objects.append(tmp_path / f"{source.stem}.o")
        run("cc", "-std=c99", "-c", source, "-o", objects[-1])
    sketch = tmp_path / "sketch"
    run("g++", "-Wall", "-Wextra", f"-I{folder}", tmp_path / "sketch.cpp", *objects, "-o", sketch)
    run(sketch)


def test_a_folder_without_a_certifier_is_refused(tmp_path, capsys):
    (tmp_path / "model.h").touch()
    with pytest.raises(CertifyError, match=r"holds no model\.c, qrobust_certify\.h"):
        c99.write_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.h"]
    export = ["export", "m.keras", "m.tflite", "--library"]
    for more in ([], ["--c99", "d"], ["--sigma", "8", "--table", "100"]):
        assert cli.main([*export, *more]) == 2
        assert "--library makes a library of --c99 DIR with --table N" in capsys.readouterr().err

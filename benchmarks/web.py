"""The certifier in the browser: bytes of the page, and votes per second beside native code.

    python benchmarks/web.py --images 4 -n 1000 [--record NAME] [--tiny]

Each shipped network becomes a page, which headless Chromium uses as a person does; every
certificate is compared with Python's. Beside it, votes per second of processor time on one core:
the same module in Node's V8, the same C compiled by clang for this computer (SIMD of x86-64-v2,
what WebAssembly's 128 bits are nearest to), and LiteRT's XNNPACK. The browser's are by the clock,
with its workers on all cores: on a busy machine they are too low. Needs clang, lld, Chromium, Node.
"""

import argparse
import ctypes
import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from tabulate import tabulate

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "tests" / "helpers")]

import results  # noqa: E402
from page_in_browser import use_page  # noqa: E402

from qrobust.certify import Certifier, c99  # noqa: E402
from qrobust.certify.methods.tables import radius_table  # noqa: E402
from qrobust.certify.run.data import Data  # noqa: E402
from qrobust.web import write_page  # noqa: E402
from tflite_export.c99 import write as write_network  # noqa: E402
from tflite_export.read import read_graph  # noqa: E402

_SEED, _PILOT, _ALPHA = 7, 100, "0.001"
_NETWORKS = ("digits", "cifar10_resnet8_w4a4")
_NATIVE = ("-std=c99", "-O3", "-march=x86-64-v2", "-shared", "-fPIC", "-w")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("-n", type=int, default=1000, help="noisy copies after the pilot")
    results.add_arguments(parser)
    options = parser.parse_args()
    networks = _NETWORKS
    if options.tiny:
        options.images, options.n, networks = 1, 60, networks[:1]
    counts, speeds, wrong, models = [], [], 0, []
    for name in networks:
        model = PROJECT / "models" / name / "model.tflite"
        count, speed = _measure(name, model, options)
        wrong += count["certificates differ"]
        counts.append(count)
        speeds.append(speed)
        models.append(model)
    for rows in (counts, speeds):
        print(tabulate(rows, headers="keys", intfmt=","))
    results.record(options.record, counts=counts, speeds=speeds, models=models, seed=_SEED)
    return int(wrong > 0)


def _measure(name, model, options):
    with (
        Certifier(model, seed=_SEED, threads=1, trusted=True) as certifier,
        tempfile.TemporaryDirectory() as made,
    ):
        shape = certifier.file.shape
        # Smooth pictures: what the network sees does not change what an inference takes.
        coarse = np.random.default_rng(0).integers(0, 256, (options.images, 4, 4, shape[2]))
        x = coarse.repeat(shape[0] // 4, 1).repeat(shape[1] // 4, 2).astype(np.uint8)
        folder = Path(made)
        page = folder / "page"
        written = write_page(model, page, n=(options.n,), pilot=_PILOT, samples=Data(x))
        sizes = {path.name: path.stat().st_size for path in written if path.name != "samples.npy"}
        jobs = [{"sample": i, "n": options.n, "seed": str(_SEED)} for i in range(len(x))]
        found = use_page(page, jobs)
        began = time.process_time()
        expected = [
            certifier.certify(image, n0=_PILOT, n=options.n, alpha=_ALPHA, index=index)
            for index, image in enumerate(x)
        ]
        litert = time.process_time() - began
        native, votes = _native(certifier, folder / "c", x[0], options.n)
        v8 = _in_node(page, options.n)
    for what, counted in (("native C", votes), ("module in Node", v8["votes"])):
        if counted != list(expected[0].votes):
            raise RuntimeError(f"the {what} counts other votes than Python")
    asked = (_PILOT + options.n) * len(x)
    differ = sum(
        any(
            theirs["certificate"][field] != getattr(ours, field)
            for field in ("label", "radius_q16")
        )
        or tuple(theirs["certificate"]["votes"]) != ours.votes
        for ours, theirs in zip(expected, found, strict=True)
    )
    browser = max((_PILOT + options.n) / page["seconds"] for page in found)
    return (
        {
            "network": name,
            "images": len(x),
            "n": options.n,
            "certificates differ": differ,
            "page, bytes": sum(sizes.values()),
            "of that .wasm": sizes["certify.wasm"],
            ".tflite": sizes["model.tflite"],
        },
        {
            "network": name,
            "Chromium, by the clock": round(browser),
            "WebAssembly, one core": round(v8["rate"]),
            "native C, one core": round(options.n / native),
            "LiteRT, one core": round(asked / litert),
        },
    )


def _in_node(page, n):
    script = Path(__file__).with_name("web_speed.mjs")
    command = ["node", str(script), str(page), str(n)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def _native(certifier, folder, image, n):
    """Processor seconds of n votes by the page's C compiled for this computer, and the votes."""
    write_network(read_graph(certifier.file.content), folder)
    for name, text in c99.certifier_sources(c99.NOISE).items():
        (folder / name).write_text(text)
    shim = (PROJECT / "qrobust" / "web" / "wasm" / "page.c").read_text()
    # The computer's own C library serves here, and functions keep their names in C.
    shim = shim.replace("__attribute__((export_name(name)))", "")
    (folder / "page.c").write_text(shim)
    file = certifier.file
    table = radius_table(n, Fraction(_ALPHA), certifier.smoothing)
    words = c99.table_words(
        certifier.spec, coordinates=file.coordinates, classes=file.classes, table=table
    )
    library = folder / "page.so"
    files = [str(path) for path in sorted(folder.glob("*.c"))]
    command = ["clang", *_NATIVE, f"-DTABLE_WORDS={len(words)}", *files, "-o", str(library)]
    subprocess.run(command, check=True)
    calls = ctypes.CDLL(str(library))
    for name in ("image_at", "votes_at", "tables_at", "key_at"):
        getattr(calls, name).restype = ctypes.c_void_p
    tensor = (image.astype(np.int64) + file.grid.zero_point).astype(np.int8)
    ctypes.memmove(calls.image_at(), tensor.tobytes(), tensor.size)
    ctypes.memmove(calls.tables_at(), np.array(words, "<u4").tobytes(), 4 * len(words))
    ctypes.memmove(calls.key_at(), np.array([_SEED, 0], "<u8").tobytes(), 16)
    if calls.page_open(len(words)) != 0:
        raise RuntimeError("the certifier refuses its tables")
    calls.clear_votes()
    began = time.process_time()
    calls.page_count(1, 0, n)
    seconds = time.process_time() - began
    return seconds, list((ctypes.c_uint32 * file.classes).from_address(calls.votes_at()))


if __name__ == "__main__":
    sys.exit(main())

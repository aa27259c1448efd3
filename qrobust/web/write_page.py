"""``write_page``: a ``.tflite`` in, a folder with a static page out."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from qrobust.certify import Certifier
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact
from qrobust.certify.file.bundle import refuse_bundle
from qrobust.certify.file.model_file import Model, read_model
from qrobust.certify.run.data import Data
from qrobust.web.compile import compile_module
from qrobust.web.describe import describe, run_of
from tflite_export.atomic import write_bytes

#: Numbers of noisy copies that a page offers.
SAMPLES = (1_000, 10_000)
_MOST_SAMPLES = 100


def write_page(
    model: Model,
    folder: str | Path,
    *,
    name: str = "network",
    pilot: int = 100,
    n: Sequence[int] = SAMPLES,
    alpha: Exact = "0.001",
    sigma: Exact | None = None,
    labels: Sequence[str] | None = None,
    samples: Data | None = None,
    compiler: str = "clang",
) -> list[Path]:
    """Write a page that certifies pictures in the browser, with the votes of Python and C.

    The network is compiled, not interpreted: generated C99 and the C certifier become one
    WebAssembly module that imports nothing. The page asks the network for nothing either: it
    serves itself once it was loaded.

    Args:
        model: a classifier of pictures, exact, with int8 inputs and outputs.
        folder: made where it is missing; files of the same names are replaced.
        name: of the network, as the page says it.
        pilot: noisy copies that choose the class.
        n: how many noisy copies a user may ask for.
        alpha: error probability of every certificate.
        sigma: of the noise in LSB, where the file has no smoothing spec.
        labels: names of the classes.
        samples: pictures that come with the page; at most 100.
        compiler: clang, with its WebAssembly target and lld.

    Returns:
        The files.

    Raises:
        CertifyError: another network, data that do not fit it, or no compiler.
    """
    refuse_bundle(read_model(model))
    with Certifier(model, sigma=sigma) as certifier:
        file = certifier.file
        if samples is not None:
            samples = _pictures(certifier, samples)
        runs = [
            run_of(certifier, pilot=pilot, samples=count, alpha=alpha) for count in dict.fromkeys(n)
        ]
        if not runs:
            raise CertifyError("a page needs a number of noisy copies, such as n=[1000]")
        about = describe(certifier, name=name, runs=runs, labels=labels, samples=samples)
    words = max(run["words"] for run in runs)
    files = {
        item.name: item.read_bytes() for item in (resources.files(__package__) / "static").iterdir()
    }
    files |= {
        "certify.wasm": compile_module(file, table_words=words, compiler=compiler),
        "model.json": json.dumps(about, separators=(",", ":"), allow_nan=False).encode(),
        "model.tflite": file.content,
        "manifest.webmanifest": _manifest(about["name"]),
    }
    if samples is not None:
        files["samples.npy"] = _npy(samples)
    files["service-worker.js"] = _service_worker(files)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for file_name, content in files.items():
        write_bytes(place / file_name, content)
    return [place / file_name for file_name in sorted(files)]


def _pictures(certifier: Certifier, samples: Data) -> Data:
    """The samples as bytes; refused where one is no integer of the grid."""
    if len(samples) > _MOST_SAMPLES:
        raise CertifyError(f"{len(samples)} samples; a page takes at most {_MOST_SAMPLES}")
    if samples.x.dtype.kind == "f":
        raise CertifyError(f"samples are integers from 0 to 255; these are {samples.x.dtype}")
    for index in range(len(samples)):
        certifier.prepare(samples.x[index], index=index)
        certifier.check_label(samples.label(index), index)
    shape = (len(samples), *certifier.file.shape)
    return Data(samples.x.astype(np.uint8).reshape(shape), samples.y)


def _npy(samples: Data) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(samples.x), version=(1, 0))
    return stream.getvalue()


def _manifest(name: str) -> bytes:
    icon = {"src": "icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any maskable"}
    manifest = {
        "name": f"Certified on this device: {name}",
        "short_name": "Certified",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#fbfbf8",
        "theme_color": "#17324d",
        "icons": [icon],
    }
    return json.dumps(manifest, indent=1).encode()


def _service_worker(files: dict[str, bytes]) -> bytes:
    """The service worker with the list of files, and a version that changes with any of them."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {hashlib.sha256(files[name]).hexdigest()}\n".encode())
    kept = ["./", *sorted(name for name in files if name != "service-worker.js")]
    text = files["service-worker.js"].decode()
    text = text.replace("@VERSION@", f"qrobust-web-{digest.hexdigest()[:16]}")
    return text.replace("/* @FILES@ */", ", ".join(f"'{name}'" for name in kept)).encode()

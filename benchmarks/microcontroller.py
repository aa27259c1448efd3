"""Flash, RAM and instructions of the generated C and the C certifier, core by core.

    python benchmarks/microcontroller.py MODEL.tflite DATA.npz --images 200 -n 200
    python benchmarks/microcontroller.py --resnet8 --images 3 -n 50 [--record NAME] [--tiny]

Every core certifies the images under QEMU; outputs, votes and radii are compared with Python's.
`--resnet8` makes an untrained ResNet-8 (w4a4, calibrated on noise), which needs the training extra:
what is counted does not depend on what the weights say. Instructions come from QEMU's -icount and
are not cycles. TFLM's arena is what its x86-64 build takes, whose pointers are twice as wide.
Of a file that counts views, every view is run and DATA.npz holds what certificates are about;
"noise" is then what makes a view, and the outputs are those of the views, seen in the votes.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "examples" / "microcontroller"))

import device  # noqa: E402
import results  # noqa: E402

from qrobust.certify import Certifier, SmoothingSpec, attach_spec, c99, read_spec  # noqa: E402
from qrobust.certify.file.model_file import load_model  # noqa: E402
from qrobust.training.publish.device_memory import tflm_arena  # noqa: E402
from tflite_export import reference  # noqa: E402
from tflite_export.c99 import write  # noqa: E402
from tflite_export.c99.generate import generate  # noqa: E402
from tflite_export.read import read_graph  # noqa: E402

_PILOT, _SEED, _SIGMA = 100, 7, 64
_COLUMNS = (
    "core",
    "model flash",
    "certifier flash",
    "tables",
    "arena",
    "stack",
    "instr/inference",
    "instr/noise",
    "instr/vote",
    "votes/certificate",
    "instr/certificate",
    "outputs differ",
    "certificates differ",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--resnet8", action="store_true")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--cores", nargs="+", choices=device.CORES, default=list(device.CORES))
    parser.add_argument("--optimize", default="-O2")
    results.add_arguments(parser)
    options = parser.parse_args()
    if options.tiny:
        options.images, options.n, options.cores = 1, 20, ["cortex-m3"]
    if options.resnet8:
        name, tflite, images = "ResNet-8 w4a4, untrained", *_resnet8()
    elif options.data is not None:
        name, tflite = str(options.model), options.model.read_bytes()
        with np.load(options.data) as data:
            images = data["x"]
    else:
        parser.error("give MODEL.tflite and DATA.npz, or --resnet8")
    images = images[: options.images]
    given = read_spec(tflite)
    if given is not None and given.counting is not None:
        model, draws = tflite, "all views"
    else:
        sigma = _SIGMA if given is None else given.sigma
        spec = SmoothingSpec.for_model(tflite, sigma=sigma, tables=((options.n, "0.001"),))
        model, draws = attach_spec(tflite, spec), f"n = {options.n}"
    rows, wrong = _rows(model, images, options)
    print(f"{name}: {len(images)} images, {draws}, gcc {options.optimize}")
    print(tabulate(rows, _COLUMNS, intfmt=","))
    arena = tflm_arena(tflite)
    print(f"TFLM's arena for the same file: {arena}")
    results.record(
        options.record,
        counts=[
            {**dict(zip(_COLUMNS, row, strict=True)), "TFLM's arena (x86-64)": arena}
            for row in rows
        ],
        models=[] if options.model is None else [options.model],
        data={f"{len(images)} images": images},
        seed=_SEED,
    )
    return int(wrong > 0)


def _rows(model: bytes, images: Any, options: argparse.Namespace) -> tuple[list[Any], int]:
    graph, file = read_graph(model), load_model(model)
    counted = read_spec(model).counting is not None
    asked = {} if counted else {"n0": _PILOT, "n": options.n, "alpha": "0.001"}
    with Certifier(model, **({} if counted else {"seed": _SEED})) as certifier:
        images = images.reshape(len(images), *certifier.inputs)
        expected = [certifier.certify(image, **asked, index=i) for i, image in enumerate(images)]
    tensors = images.astype(np.int64) + file.grid.zero_point
    outputs = np.empty(0, np.int8) if counted else reference.run(graph, tensors)[0]
    sources = device.VIEWS if counted else device.CERTIFIER
    rows, wrong = [], 0
    for name in options.cores:
        core = device.CORES[name]
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            write(graph, folder)
            c99.write(model, folder)
            program = device.build_core(core, folder, optimize=options.optimize)
            flash = [
                device.flash_bytes([folder / source], core, optimize=options.optimize)
                for source in ("model.c", *sources)
            ]
            result = device.run(
                program, tensors.astype(np.int8), pilot=_PILOT, seed=_SEED, timeout_s=3600
            )
        differing = int((result.outputs != outputs.reshape(result.outputs.shape)).sum())
        certificates = sum(
            (a.label, a.candidate, a.radius_q16, a.votes)
            != (b.label, b.candidate, b.radius_q16, b.votes)
            for a, b in zip(result.certificates, expected, strict=True)
        )
        meter = result.meter
        arena = generate(graph).arena
        vote = meter.run + meter.sample
        votes = round(np.mean([c.samples for c in expected]))
        sizes = (name, *flash, arena, meter.stack_certify)
        costs = (meter.run, meter.sample, vote, votes, votes * vote)
        rows.append((*sizes, *costs, differing, certificates))
        print(f"{name} done", file=sys.stderr)
        wrong += differing + certificates
    return rows, wrong


def _resnet8() -> tuple[bytes, Any]:
    import keras

    import qrobust
    from qrobust.architectures.resnet8 import resnet8
    from tflite_export import export

    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (128, 32, 32, 3))
    quantized = qrobust.quantize(resnet8(), 4, 4, calibrate=images.astype(np.float32))
    return export(quantized).tflite, images


if __name__ == "__main__":
    sys.exit(main())

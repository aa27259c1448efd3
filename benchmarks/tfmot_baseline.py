"""TensorFlow's own 8-bit quantization beside everything: our parity, certifier and attacks on it.

    python benchmarks/tfmot_baseline.py --data DIR --baselines DIR [--python PYTHON] [--steps 200]
        [--files NAME=FILE.tflite ...] [--images 200] [--certified 100] [--n 1000]
        [--attacked 50] [--queries 500] [--record NAME] [--tiny]

``PYTHON`` has tensorflow-model-optimization 0.8.1 and tf_keras in an environment of its own; a
process of it trains the float ResNet-8 of mlcommons/tiny (``pretrainedResnet.h5``) further with
8-bit QAT for ``--steps`` batches, and converts it with the stock converter. Without ``--python``
only files are looked at: ``pretrainedResnet_quant.tflite`` (post-training quantization) of
``--baselines``, ours, and those of ``--files``. All are CIFAR-10 classifiers on pixels and meet the
same commands: integers that differ between LiteRT's kernel families, accuracy, certificates at
sigma 63.75 LSB (Clopper-Pearson, alpha .001), Square on the file within 8 LSB, bytes and votes a
second of one core.
"""

import argparse
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import results
from render import table

from qrobust import datasets
from qrobust.attacks import LINF, Budget, TFLiteTarget, square
from qrobust.certify import Certifier
from qrobust.certify.file.model_file import KERNELS, load_model
from qrobust.certify.file.runner import Runners

CHILD = Path(__file__).parent / "tfmot_child" / "train.py"
OURS = {
    "ours, w4a4, plain": "models/cifar10_bernhard/w4a4/model.tflite",
    "ours, w4a4, consistency": "models/cifar10_resnet8_w4a4/model.tflite",
}
SIGMA, RADII, SEED = 63.75, (31.875, 63.75, 127.5), 0
BATCH = 64


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of CIFAR-10")
    parser.add_argument("--baselines", type=Path, help="folder of mlcommons/tiny's models")
    parser.add_argument("--python", help="of an environment with tfmot and tf_keras")
    parser.add_argument("--steps", type=int, default=200, help="batches of 64 in 8-bit training")
    parser.add_argument("--files", nargs="*", default=[], metavar="NAME=FILE.tflite")
    parser.add_argument("--images", type=int, default=200, help="for accuracy and kernels")
    parser.add_argument("--certified", type=int, default=100)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--attacked", type=int, default=50)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--epsilon", type=float, default=8, help="L-inf, LSB")
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.images, args.certified, args.attacked, args.n, args.queries = 4, 1, 1, 100, 5
        args.steps = 1
    data = datasets.cifar10(args.data)
    files = {name: results.PROJECT / path for name, path in OURS.items()}
    if args.tiny:
        files.popitem()
    counts, speeds = [], []
    with tempfile.TemporaryDirectory() as made:
        if args.baselines is not None:
            ptq = args.baselines / "pretrainedResnet_quant.tflite"
            files = {"stock PTQ, int8": ptq, **files}
        if args.python is not None:
            qat = Path(made) / "qat.tflite"
            trained(args, data.train, qat)
            files = {f"tfmot QAT, int8, {args.steps} batches": qat, **files}
        for item in args.files:
            name, _, path = item.partition("=")
            files[name] = Path(path)
        for name, path in files.items():
            found = judged(path.read_bytes(), data.test, args)
            speed = {column: found.pop(column) for column in ("votes/s of one core",)}
            counts.append({"file": name, **found})
            speeds.append({"file": name, **speed})
            print(f"{name}: {found | speed}", file=sys.stderr, flush=True)
    print(table(counts))
    print(f"\n{table(speeds)}")
    results.record(
        args.record,
        counts=counts,
        speeds=speeds,
        models=[path for path in files.values() if path.is_relative_to(results.PROJECT)],
        data={f"cifar10, the first {args.images} for tests": data.test.x[: args.images]},
        seed=SEED,
    )
    return 0


def trained(args: argparse.Namespace, train: Any, out: Path) -> None:
    """Let the other Python train and convert."""
    data = out.with_suffix(".npz")
    few = BATCH * (args.steps + 4)
    np.savez(data, x=train.x[:few], y=train.y[:few])
    start = args.baselines / "pretrainedResnet.h5"
    words = [args.python, str(CHILD), "resnet8", str(data), str(out), "--start", str(start)]
    words += ["--steps", str(args.steps), "--seed", str(SEED)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode or not out.exists():
        raise SystemExit(f"tfmot did not train: {done.stderr[-2000:]}")


def judged(content: bytes, test: Any, args: argparse.Namespace) -> dict[str, Any]:
    """Everything that is said of one file."""
    file = load_model(content)
    x, y = test.x[: args.images], test.y[: args.images]
    stored = (x.astype(np.int16) + file.grid.zero_point).astype(file.grid.dtype)
    outputs = {family: run_all(file, stored, family) for family in KERNELS}
    differ = {
        f"differing integers, {family}": int((outputs[family] != outputs["xnnpack"]).sum())
        for family in KERNELS
        if family != "xnnpack"
    }
    clean = int((outputs["xnnpack"].argmax(1) == y).sum())
    certified, rate = certificates(content, test, args)
    with closing(TFLiteTarget(content)) as target:
        few = slice(args.attacked)
        budget = Budget(args.epsilon, LINF)
        left = square(target, x[few], y[few], budget, queries=args.queries, seed=SEED)
    fallen = int(left.fallen.sum())
    return {
        "bytes": f"{len(content):,}",
        "of the integer contract": "no" if file.not_portable else "yes",
        **{name: f"{count} of {outputs['xnnpack'].size}" for name, count in differ.items()},
        "clean": results.share(clean, len(x)),
        f"Square, {args.epsilon:g} LSB": results.share(len(left.fallen) - fallen, len(left.fallen)),
        **certified,
        "votes/s of one core": f"{rate:.0f}",
    }


def run_all(file: Any, stored: Any, family: str) -> Any:
    """Outputs of all rows by one kernel family."""
    batch = 1 if file.one_row else BATCH
    padded = np.concatenate([stored, np.zeros((-len(stored) % batch, *file.shape), stored.dtype)])
    with closing(Runners(file, count=1, batch=batch, kernels=family)) as runners:
        (run,) = runners.runs
        parts = [run(padded[i : i + batch]) for i in range(0, len(padded), batch)]
    return np.concatenate(parts)[: len(stored)]


def certificates(content: bytes, test: Any, args: argparse.Namespace) -> tuple[Any, float]:
    """Certified accuracy at the radii, and votes a second of processor time."""
    x, y = test.x[: args.certified], test.y[: args.certified]
    # A file with a spec of its own says the same sigma, or is refused.
    with Certifier(content, sigma=str(SIGMA), classes=10, seed=SEED, threads=1) as certifier:
        started = certifier.counter.cpu_seconds()
        found = [
            certifier.certify(image, n0=100, n=args.n, alpha="0.001", index=i)
            for i, image in enumerate(x)
        ]
        seconds = certifier.counter.cpu_seconds() - started
    shares = {
        f"certified at {radius:g}": results.share(
            sum(c.label == label and c.radius >= radius for c, label in zip(found, y, strict=True)),
            len(x),
        )
        for radius in RADII
    }
    return shares, sum(c.samples for c in found) / max(seconds, 1e-3)


if __name__ == "__main__":
    sys.exit(main())

"""TensorFlow's own 8-bit quantization beside everything: our parity, certifier and attacks on it.

    python benchmarks/tfmot_baseline.py --data DIR [--task cifar10|kws] [--baselines DIR]
        [--python PYTHON] [--steps 200] [--float-steps 400] [--files NAME=FILE.tflite ...]
        [--images 200] [--certified 100] [--n 1000] [--attacked 50] [--queries 500]
        [--record NAME] [--tiny]

``PYTHON`` has tensorflow-model-optimization 0.8.1 and tf_keras in an environment of its own; a
process of it trains with 8-bit QAT for ``--steps`` batches and converts with the stock converter:
on cifar10 from the float ResNet-8 of mlcommons/tiny (``pretrainedResnet.h5``), on kws a DS-CNN
that it first trains in float for ``--float-steps``, on the keyword features of
``datasets.speech_commands``. Without ``--python`` only files are looked at:
``pretrainedResnet_quant.tflite`` (post-training quantization) of ``--baselines``, ours, and those
of ``--files``. All meet the same commands: integers that differ between LiteRT's kernel families,
accuracy, certificates (Clopper-Pearson, alpha .001), Square on the file, bytes and votes a second
of one core. Sizes are in steps of the data's integers; where a file's input grid has another step,
sigma, radii and epsilon are the same sizes on it.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
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
SEED, BATCH = 0, 64
WORDS = ("down", "off", "on", "stop", "up", "yes")


@dataclass(frozen=True)
class Task:
    """What is classified, by whom, and what it is judged by; sizes in steps of the data."""

    load: Callable[[str], datasets.Dataset]
    architecture: str
    ours: dict[str, str]
    sigma: float
    radii: tuple[float, ...]
    epsilon: float


TASKS = {
    "cifar10": Task(
        datasets.cifar10,
        "resnet8",
        {
            "ours, w4a4, plain": "models/cifar10_bernhard/w4a4/model.tflite",
            "ours, w4a4, consistency": "models/cifar10_resnet8_w4a4/model.tflite",
        },
        63.75,
        (31.875, 63.75, 127.5),
        8,
    ),
    "kws": Task(
        lambda folder: datasets.speech_commands(folder, WORDS),
        "ds_cnn",
        {"ours, w4a8, consistency": "models/kws_dscnn_w4a8/model.tflite"},
        8,
        (4, 8, 16),
        2,
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of the data sets")
    parser.add_argument("--task", choices=tuple(TASKS), default="cifar10")
    parser.add_argument("--baselines", type=Path, help="folder of mlcommons/tiny's models")
    parser.add_argument("--python", help="of an environment with tfmot and tf_keras")
    parser.add_argument("--steps", type=int, default=200, help="batches of 64 in 8-bit training")
    parser.add_argument("--float-steps", type=int, default=400, help="of kws, before that")
    parser.add_argument("--files", nargs="*", default=[], metavar="NAME=FILE.tflite")
    parser.add_argument("--images", type=int, default=200, help="for accuracy and kernels")
    parser.add_argument("--certified", type=int, default=100)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--attacked", type=int, default=50)
    parser.add_argument("--queries", type=int, default=500)
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.images, args.certified, args.attacked, args.n, args.queries = 4, 1, 1, 100, 5
        args.steps = args.float_steps = 1
    task = TASKS[args.task]
    data = task.load(args.data)
    ours = dict(list(task.ours.items())[: 1 if args.tiny else None])
    files = {name: results.PROJECT / path for name, path in ours.items()}
    counts, speeds = [], []
    with tempfile.TemporaryDirectory() as made:
        if args.baselines is not None and args.task == "cifar10":
            files = {"stock PTQ, int8": args.baselines / "pretrainedResnet_quant.tflite", **files}
        if args.python is not None:
            qat = Path(made) / "qat.tflite"
            trained(args, task, data.train, qat)
            files = {f"tfmot QAT, int8, {args.steps} batches": qat, **files}
        for item in args.files:
            name, _, path = item.partition("=")
            files[name] = Path(path)
        for name, path in files.items():
            found = judged(path.read_bytes(), task, data.test, args, ours=name in ours)
            speed = {"votes/s of one core": found.pop("votes/s of one core")}
            counts.append({"file": name, **found})
            speeds.append({"file": name, **speed})
            print(f"{name}: {found | speed}", file=sys.stderr, flush=True)
        digests = {path.name: results.file_sha256(path) for path in files.values()}
    print(table(counts))
    print(f"\n{table(speeds)}")
    results.record(
        args.record,
        counts=counts,
        speeds=speeds,
        models=[path for path in files.values() if path.is_relative_to(results.PROJECT)],
        data={f"{args.task}, the first {args.images} for tests": data.test.x[: args.images]}
        | {f"{name}, sha256": digest.encode() for name, digest in digests.items()},
        seed=SEED,
    )
    return 0


def trained(args: argparse.Namespace, task: Task, train: Any, out: Path) -> None:
    """Let the other Python train and convert."""
    data = out.with_suffix(".npz")
    few = BATCH * (max(args.steps, args.float_steps) + 4)
    np.savez(data, x=train.x[:few], y=train.y[:few])
    words = [args.python, str(CHILD), task.architecture, str(data), str(out)]
    if task.architecture == "resnet8":
        if args.baselines is None:
            raise SystemExit("--python on cifar10 starts from a file of --baselines")
        words += ["--start", str(args.baselines / "pretrainedResnet.h5")]
    words += ["--steps", str(args.steps), "--float-steps", str(args.float_steps)]
    done = subprocess.run(
        [*words, "--seed", str(SEED)], capture_output=True, text=True, check=False
    )
    if done.returncode or not out.exists():
        raise SystemExit(f"tfmot did not train: {done.stderr[-2000:]}")


def judged(
    content: bytes, task: Task, test: Any, args: argparse.Namespace, *, ours: bool
) -> dict[str, Any]:
    """Everything that is said of one file; ours read the data's own integers."""
    file = load_model(content)
    step = 1.0 if ours else file.grid.scale
    rows = test.x[: args.images]
    # Whole numbers in steps of the file's grid: the data themselves where that has their steps.
    low, high = file.grid.low, file.grid.high
    x = rows if step == 1 else np.clip(np.rint(rows / step), low, high).astype(np.int16)
    y = test.y[: args.images]
    stored = (x.astype(np.int16) + file.grid.zero_point).astype(file.grid.dtype)
    outputs = {family: run_all(file, stored, family) for family in KERNELS}
    differ = {
        f"differing integers, {family}": int((outputs[family] != outputs["xnnpack"]).sum())
        for family in KERNELS
        if family != "xnnpack"
    }
    clean = int((outputs["xnnpack"].argmax(1) == y).sum())
    shares, rate = certificates(content, task, x[: args.certified], y, args.n, step)
    with closing(TFLiteTarget(content)) as target:
        few = slice(args.attacked)
        budget = Budget(task.epsilon / step, LINF)
        left = square(target, x[few], y[few], budget, queries=args.queries, seed=SEED)
    stands = results.share(int((~left.fallen).sum()), len(left.fallen))
    return {
        "bytes": f"{len(content):,}",
        "of the integer contract": "no" if file.not_portable else "yes",
        **{name: f"{count} of {outputs['xnnpack'].size}" for name, count in differ.items()},
        "clean": results.share(clean, len(x)),
        f"Square, {task.epsilon:g}": stands,
        **shares,
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


def certificates(
    content: bytes, task: Task, x: Any, y: Any, n: int, step: float
) -> tuple[dict[str, Any], float]:
    """Certified accuracy at the radii, and votes a second of processor time."""
    sigma = f"{task.sigma / step:.4f}".rstrip("0").rstrip(".")
    classes = load_model(content).classes
    # A file with a spec of its own says the same sigma, or is refused.
    with Certifier(content, sigma=sigma, classes=classes, seed=SEED, threads=1) as certifier:
        started = certifier.counter.cpu_seconds()
        found = [
            certifier.certify(image, n0=100, n=n, alpha="0.001", index=i)
            for i, image in enumerate(x)
        ]
        seconds = certifier.counter.cpu_seconds() - started
    right = [c.label == label for c, label in zip(found, y, strict=False)]
    shares = {
        f"certified at {radius:g}": results.share(
            sum(ok and c.radius * step >= radius for ok, c in zip(right, found, strict=True)),
            len(found),
        )
        for radius in task.radii
    }
    return shares, sum(c.samples for c in found) / max(seconds, 1e-3)


if __name__ == "__main__":
    sys.exit(main())

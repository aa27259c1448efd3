"""What people use today and what they could use: one set of pictures, every question.

    python benchmarks/people_use.py --data DIR --state DIR [--baselines DIR] [--python PYTHON]
        [--steps 200] [--members NAME=M.keras ...] [--files NAME=FILE.tflite[,M.keras] ...]
        [--only NAME ...] [--images 300] [--attacked 300] [--n 10000] [--epsilons 4 8]
        [--reference NAME] [--table] [--record people_use] [--tiny]

ResNet-8 on CIFAR-10 as 8-bit quantization-aware training of tfmot makes it (a process of
``PYTHON`` trains it once, ``--steps`` batches from ``pretrainedResnet.h5`` of mlcommons/tiny in
``--baselines``), as the stock converter does after training (``pretrainedResnet_quant.tflite``
there), and ours: that converter's float network at 6 bits without training, and, trained on the
40,000 pictures that are here and for fewer epochs than that one, 4 bits without a defence, 4 bits
with noise and consistency, and an ensemble: the mean of the defended networks (and those of
``--members``) as one file, its weights learned on noisy training pictures, which the first member
was trained on. ``--files`` adds others; those without a Keras model are
attacked through their differentiable twin.

Every file decides itself, on the same first official test pictures: how many integers differ
between LiteRT's kernel families, clean accuracy, corruptions, sequential tests at .5, 1 and 2 sigma
(sigma .25 of [0, 1], alpha .001, at most ``--n`` votes), and the standard worst case (APGD on the
cross entropy, aimed APGD, Square with 5,000 queries on the file) at each epsilon, of all pictures
that are attacked. Where the gradients are those of a twin that is only near the file, APGD on the
cross entropy and on the margin is added that does not stop at the twin's boundary. Sizes are in
pixel steps; a file whose input grid has another step is asked for the same sizes on it.

Then every file beside ``--reference`` (default: the first), paired on the pictures, with 95 %
intervals: exact ones, and Student's for the mean over corruptions; likewise the defended network
beside the plain one, and the ensemble beside the defended one. What is done is kept under
``--state`` and not done again; ``--table`` only prints what is there.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import results
from deployed.kept import kept
from deployed.parts import PARTS
from deployed.row import Row, deployed
from deployed.speed import rates
from deployed.table import differences, line
from evidence import alone
from render import table
from tfmot_baseline import TASKS, trained

import qrobust
from qrobust import datasets
from qrobust.ensembles import combine, learn_weights
from qrobust.load_keras import load_keras
from qrobust.training.phase import save
from tflite_export import export
from tflite_export.atomic import write_bytes

MODELS = results.PROJECT / "models"
TASK = TASKS["cifar10"]
PLAIN, DEFENDED = "cifar10_bernhard/w4a4", "cifar10_resnet8_w4a4"
#: Members of the ensemble, all trained with noise of sigma.
MEMBERS = (DEFENDED, "cifar10_resnet8_families")
FLOAT, STOCK = "pretrainedResnet.h5", "pretrainedResnet_quant.tflite"
#: Training pictures that recipes hold out, and how many of them weights are learned on.
HELD_OUT, LEARN = 2000, 1000
CALIBRATION = 512
SEED = 0


def main() -> int:
    args = arguments()
    data = datasets.hold_out(datasets.cifar10(args.data), HELD_OUT)
    with alone(args.state):
        rows = [row for row in wanted(args, data) if not args.only or row.name in args.only]
        if not rows:
            raise SystemExit(f"--only names no row. Received: {', '.join(args.only)}")
        found = {row.name: judged(row, data.test, args) for row in rows}
    found = {name: parts for name, parts in found.items() if parts}
    if not found:
        raise SystemExit(f"nothing is there yet in {args.state}: run without --table")
    rows = [row for row in rows if row.name in found]
    reference = args.reference or rows[0].name
    if reference not in found:
        raise SystemExit(f"--reference names no row that is there: {', '.join(found)}")
    counts = [line(row, found[row.name]) for row in rows]
    beside = differences(found, reference, pairs(rows))
    speeds = speed_rows(rows, tiny=args.tiny)
    for part in (counts, beside, speeds):
        print(f"{table(part)}\n")
    source = {
        "models": [row.path for row in rows if row.path.is_relative_to(results.PROJECT)],
        "data": {f"the first {args.images} test pictures": data.test.x[: args.images]}
        | {f"{row.name}, sha256": row.key["file"].encode() for row in rows},
        "seed": SEED,
    }
    results.record(args.record, counts=counts, speeds=speeds, **source)
    results.record(args.record and f"{args.record}_paired", counts=beside, **source)
    return 0


def pairs(rows: list[Row]) -> list[tuple[str, str]]:
    """What else is compared: the defence beside none, the ensemble beside one network of it."""
    together = [(row.name, "ours, w4a4, defended") for row in rows if "ensemble" in row.name]
    return [("ours, w4a4, defended", "ours, w4a4, plain"), *together]


def wanted(args: argparse.Namespace, data: Any) -> list[Row]:
    """The rows in their order; what has to be made for them is made, once."""
    rows = []
    if args.baselines is not None:
        if args.python is not None:
            made = tfmot(args, data.train)
            rows.append(Row(f"tfmot, int8, {args.steps} batches", made))
        rows.append(Row("stock converter, int8", args.baselines / STOCK))
        rows.append(calibrated(args, data.train))
    if not args.tiny:
        rows.append(Row("ours, w4a4, plain", *shipped(PLAIN)))
    rows.append(Row("ours, w4a4, defended", *shipped(DEFENDED)))
    members = {Path(name).name: MODELS / name / "model.keras" for name in MEMBERS}
    members |= {name: Path(path) for name, _, path in map(parted, args.members)}
    rows.append(ensemble(members, data, args))
    for item in args.files:
        name, _, path = item.partition("=")
        file, _, through = path.partition(",")
        rows.append(Row(name, Path(file), Path(through) if through else None))
    for row in rows:
        if not row.path.is_file():
            raise SystemExit(f"{row.name}: there is no file {row.path}")
    return rows


def parted(item: str) -> tuple[str, str, str]:
    return item.partition("=")


def shipped(name: str) -> tuple[Path, Path]:
    """A published network's file and its Keras model."""
    return MODELS / name / "model.tflite", MODELS / name / "model.keras"


def refuse(args: argparse.Namespace, path: Path) -> None:
    """Nothing is made for a table."""
    if args.table:
        raise SystemExit(f"{path} is not there yet: run without --table")


def tfmot(args: argparse.Namespace, train: Any) -> Path:
    """The file that tfmot's training makes, from where it was kept."""
    path: Path = args.state / f"tfmot_{args.steps}.tflite"
    if not path.exists():
        refuse(args, path)
        args.float_steps = 0
        making = args.state / "making.tflite"
        trained(args, TASK, train, making)
        making.with_suffix(".npz").unlink()
        making.replace(path)
    return path


def calibrated(args: argparse.Namespace, train: Any) -> Row:
    """The stock converter's own float network in integers of the contract, without training."""
    path, through = args.state / "w6a8.tflite", args.state / "w6a8.keras"
    start = args.baselines / FLOAT

    def made() -> dict[str, Any]:
        refuse(args, path)
        some = train.x[:CALIBRATION].astype("float32")
        twin = qrobust.quantize(load_keras(start), 6, 8, calibrate=some)
        save(twin, through)
        write_bytes(path, export(twin).tflite)
        return {}

    kept(args.state / "w6a8.json", {"of": results.file_sha256(start)}, made)
    return Row("ours, w6a8, the same network", path, through)


def ensemble(members: dict[str, Path], data: Any, args: argparse.Namespace) -> Row:
    """The mean of the members as one file, with weights of noisy held-out training pictures."""
    path, through = args.state / "ensemble.tflite", args.state / "ensemble.keras"
    key = {name: results.file_sha256(member) for name, member in members.items()}
    part = data.validation

    def made() -> dict[str, Any]:
        refuse(args, path)
        models = [load_keras(member) for member in members.values()]
        learned = learn_weights(
            models, part.x[:LEARN], part.y[:LEARN], TASK.sigma, copies=2, seed=SEED
        )
        joined = combine(models, learned.weights)
        save(joined, through)
        write_bytes(path, export(joined).tflite)
        return {"weights": learned.weights, "losses": learned.losses}

    found = kept(args.state / "ensemble.json", key, made)
    weights = ", ".join(f"{n} {w}" for n, w in zip(members, found["weights"], strict=True))
    print(f"ensemble: weights {weights}", file=sys.stderr, flush=True)
    return Row(f"ours, ensemble of {len(members)}", path, through)


def judged(row: Row, test: Any, args: argparse.Namespace) -> dict[str, Any]:
    """The parts of a row that are there, or all of them."""
    folder = args.state / row.slug
    found = {}
    for name, (judge, version, names) in PARTS.items():
        count = args.attacked if name == "attacked" else args.images
        settings = {key: vars(args)[key] for key in names}
        key = {**row.key, "version": version, "pictures": count, **settings}

        def measure(judge: Any = judge, count: int = count, name: str = name) -> dict[str, Any]:
            if args.table:
                return {}
            print(f"{time.strftime('%H:%M:%S')} {row.name}: {name}", file=sys.stderr, flush=True)
            with deployed(row, test.x[:count], test.y[:count], folder) as subject:
                measured: dict[str, Any] = judge(subject, row, vars(args))
            return measured

        part = kept(folder / f"{name}.json", key, measure, keep=not args.table)
        if part:
            found[name] = part
    return found


def speed_rows(rows: list[Row], *, tiny: bool) -> list[dict[str, Any]]:
    """Inferences a second of one core, by 64 and one by one."""
    files = {row.name: row.path.read_bytes() for row in rows}
    short: dict[str, Any] = {"rounds": 1, "seconds": 0.01} if tiny else {}
    columns = {"by 64": rates(files, **short), "one by one": rates(files, batch=1, **short)}
    return [
        {"file": name}
        | {f"inferences/s of one core, {how}": found[name] for how, found in columns.items()}
        for name in files
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, metavar="DIR", help="folder of CIFAR-10")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="of the work")
    parser.add_argument("--baselines", type=Path, metavar="DIR", help="models of mlcommons/tiny")
    parser.add_argument("--python", help="of an environment with tfmot and tf_keras")
    parser.add_argument("--steps", type=int, default=200, help="batches of tfmot's training")
    parser.add_argument("--members", nargs="*", default=[], metavar="NAME=M.keras")
    parser.add_argument("--files", nargs="*", default=[], metavar="NAME=FILE.tflite[,M.keras]")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="no other rows")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--attacked", type=int, default=300, help="of these, for the worst case")
    parser.add_argument("--n", type=int, default=10_000, help="most votes of a certificate")
    parser.add_argument("--epsilons", type=float, nargs="+", default=[4, 8], help="L-inf")
    parser.add_argument("--reference", metavar="NAME", help="of the paired differences")
    parser.add_argument("--table", action="store_true", help="judge nothing, print what is there")
    results.add_arguments(parser)
    args = parser.parse_args()
    args.n0, args.sigma, args.radii = 100, TASK.sigma, TASK.radii
    if args.tiny:
        args.images, args.attacked, args.n, args.steps = 2, 1, 200, 1
        args.radii, args.epsilons = args.radii[:1], args.epsilons[:1]
    if args.attacked > args.images:
        parser.error("--attacked is at most --images: the pictures are the same")
    if args.python is not None and args.baselines is None:
        parser.error("--python trains from a file of --baselines")
    return args


if __name__ == "__main__":
    sys.exit(main())

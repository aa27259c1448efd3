"""Accuracy against speed, over bits and widths: ResNets and MobileNetV1 on one set of pictures.

    python benchmarks/frontier.py --data DIR --state DIR [--networks FILE] [--only NAME ...]
        [--images 1202] [--core cortex-m4] [--reference NAME] [--train-only]
        [--record frontier] [--tiny]

`benchmarks/frontier.toml` names the networks: shipped ones, and some that are trained here with one
fixed recipe (float, then 4 bits), epoch by epoch and once. Each float network also becomes a
float32 file and an int8 file by the stock converter, without training. Every file decides itself
(LiteRT) on the same official test pictures. Columns: bytes; accuracy and the difference from
``--reference`` in points, paired on the pictures (exact 95 % intervals); inferences a second of one
core; and, for files of the integer contract, of which there is C, instructions of one inference on
an emulated Cortex-M (QEMU's -icount, not cycles). "frontier" says that no other file is at least as
accurate and at least as cheap, and better in one; on these pictures, without regard to intervals.
Nothing was chosen on them but the shipped networks, as their cards say. What is done is kept under
``--state``.
"""

import argparse
import os
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import results
from ai_edge_litert.interpreter import Interpreter
from deployed.emulated import device, emulated
from deployed.kept import kept
from deployed.speed import rates
from deployed.stock import stock_file
from evidence import alone
from grid.paired import paired_points
from numpy.typing import NDArray
from render import table
from trained_network import trained_network

from qrobust.certify.file.model_file import contract_problem
from qrobust.load_keras import load_keras
from qrobust.training.recipe import Recipe
from qrobust.training.recipe_sections import Data, Defence, Network, Quantization, Training
from qrobust.training.train import load_data
from tflite_export.atomic import write_bytes

HERE = Path(__file__).parent
MODELS = results.PROJECT / "models"
#: Training pictures by which the stock converter chooses its steps.
CALIBRATION = 512
EMULATED = 2
SEED = 0
FLOAT, STOCK = "float32", "int8, stock converter"


@dataclass(frozen=True)
class Entry:
    """A file to compare: of which network, with which bits, trained how."""

    network: str
    bits: str
    trained: str
    path: Path

    @property
    def name(self) -> str:
        """In the table."""
        return f"{self.network}, {self.bits}"


def main() -> int:
    args = arguments()
    path = args.networks or HERE / ("frontier_tiny.toml" if args.tiny else "frontier.toml")
    wanted = tomllib.loads(path.read_text())
    for part in ("trained", "shipped"):
        wanted[part] = {n: v for n, v in wanted[part].items() if not args.only or n in args.only}
    with alone(args.state):
        if args.train_only:
            for name in wanted["trained"]:
                trained_network(recipe(name, wanted), args.state, args.data)
            return 0
        data = load_data(recipe("data", wanted), args.data)
        x, y = data.test.x[: args.images], data.test.y[: args.images]
        entries = list(files(wanted, data.train.x[:CALIBRATION], args))
        if not entries:
            raise SystemExit(f"--only names no network of {path.name}. Received: {args.only}")
        found = {entry.name: judged(entry, x, y, args) for entry in entries}
    reference = args.reference or next(e.name for e in entries if e.bits == "w4a4")
    if reference not in found:
        raise SystemExit(f"--reference names no file: {', '.join(found)}")
    short: dict[str, Any] = {"rounds": 1, "seconds": 0.01} if args.tiny else {}
    contents = {entry.name: entry.path.read_bytes() for entry in entries}
    speeds = {batch: rates(contents, batch=batch, **short) for batch in (64, 1)}
    counts = count_rows(entries, found, reference, args.core)
    fast = speed_rows(entries, found, speeds)
    print(f"{table(counts)}\n\n{table(fast)}")
    results.record(
        args.record,
        counts=counts,
        speeds=fast,
        models=[entry.path for entry in entries if entry.path.is_relative_to(MODELS)],
        data={path.name: path.read_bytes(), f"the first {len(x)} for tests": np.asarray(x)},
        seed=SEED,
    )
    return 0


def recipe(name: str, wanted: Any) -> Recipe:
    """How a network of the file is trained: float, then 4 bits; no defence.

    Of a name that is not trained, the data alone mean something.
    """
    return Recipe(
        name=name,
        data=Data(**wanted["data"]),
        network=Network(**wanted["trained"].get(name, {})),
        defence=Defence(),
        quantization=Quantization(4, 4),
        training=Training(**wanted["training"]),
        seed=SEED,
    )


def files(wanted: Any, calibration: NDArray[Any], args: argparse.Namespace) -> Iterator[Entry]:
    """Every file, made where it is not there yet."""
    for name in wanted["trained"]:
        folder = trained_network(recipe(name, wanted), args.state, args.data)
        yield from of_float(name, "plain", folder / "log" / "float.keras", calibration, args)
        yield Entry(name, "w4a4", "plain", folder / "model.tflite")
    for name, folders in wanted["shipped"].items():
        how = folders["trained"]
        for bits, place in folders.items():
            if bits == "float":
                twin = MODELS / place / "model.keras"
                yield from of_float(name, how, twin, calibration, args)
            elif bits != "trained":
                yield Entry(name, bits, how, MODELS / place / "model.tflite")


def of_float(
    name: str, how: str, path: Path, calibration: NDArray[Any], args: argparse.Namespace
) -> Iterator[Entry]:
    """The files that the stock converter makes of a float network."""
    for bits, given in ((FLOAT, None), (STOCK, calibration)):
        entry = Entry(name, bits, how, args.state / f"{slug(f'{name} {bits}')}.tflite")
        key = {"of": results.file_sha256(path)}

        def convert(entry: Entry = entry, given: Any = given) -> dict[str, Any]:
            write_bytes(entry.path, stock_file(load_keras(path), given))
            return {}

        kept(entry.path.with_suffix(".json"), key, convert)
        yield entry


def slug(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def judged(entry: Entry, x: NDArray[Any], y: NDArray[Any], args: Any) -> dict[str, Any]:
    """Which pictures a file has right, and its instructions where there is C of it."""
    content, folder = entry.path.read_bytes(), args.state / "judged"
    key = {"file": results.file_sha256(entry.path)}

    def answers() -> dict[str, Any]:
        print(entry.name, file=sys.stderr, flush=True)
        return {"right": (run(content, x)[1] == y).tolist()}

    def instructions() -> dict[str, Any]:
        return emulated(content, run(content, x[:EMULATED])[0], core=args.core)

    name = slug(entry.name)
    found = kept(folder / f"{name}.json", {**key, "pictures": len(x)}, answers)
    if entry.bits in (FLOAT, STOCK) or contract_problem(content):
        return found
    try:
        path = folder / f"{name}_instructions.json"
        return found | kept(path, {**key, "core": args.core}, instructions)
    except device.DeviceError as error:  # nothing is kept: it may be installed next time
        print(f"{entry.name}: no instructions: {error}", file=sys.stderr)
        return found


def run(content: bytes, x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Tensor values of the inputs, and labels: LiteRT, one picture at a time."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    given, read = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = given["quantization"]
    real = np.asarray(x, np.float32)
    if np.issubdtype(given["dtype"], np.integer):
        ends = np.iinfo(given["dtype"])
        real = np.clip(np.rint(real / np.float32(scale)) + zero, ends.min, ends.max)
    stored = real.astype(given["dtype"]).reshape(len(x), *given["shape"][1:])
    labels = []
    for row in stored:
        interpreter.set_tensor(given["index"], row[None])
        interpreter.invoke()
        labels.append(int(interpreter.get_tensor(read["index"])[0].argmax()))
    return stored, np.array(labels, np.int64)


def count_rows(entries: list[Entry], found: Any, reference: str, core: str) -> list[Any]:
    """What does not depend on the machine."""
    costs = {name: part["instructions"] for name, part in found.items() if "instructions" in part}
    best = frontier({name: (right(found[name]), cost) for name, cost in costs.items()})
    rows = []
    for entry in entries:
        part = found[entry.name]
        points = ""
        if entry.name != reference:
            mine, theirs = (np.asarray(f["right"], bool) for f in (part, found[reference]))
            points = paired_points(mine, theirs)
        rows.append(
            {
                "network": entry.network,
                "bits": entry.bits,
                "trained": entry.trained,
                "bytes": entry.path.stat().st_size,
                "accuracy": results.share(right(part), len(part["right"])),
                f"points from {reference}": points,
                f"instructions, {core}": part.get("instructions"),
                "flash": part.get("flash"),
                "RAM": part.get("arena"),
                "frontier of instructions": "yes" if entry.name in best else "",
            }
        )
    return rows


def speed_rows(entries: list[Entry], found: Any, speeds: dict[int, dict[str, float]]) -> list[Any]:
    """What does."""
    best = frontier(
        {name: (right(found[name]), round(1e9 / rate)) for name, rate in speeds[64].items()}
    )
    return [
        {
            "network": entry.network,
            "bits": entry.bits,
            "accuracy": f"{np.mean(found[entry.name]['right']):.1%}",
            "inferences/s of one core, by 64": speeds[64][entry.name],
            "one by one": speeds[1][entry.name],
            "frontier": "yes" if entry.name in best else "",
        }
        for entry in entries
    ]


def right(part: Any) -> int:
    return sum(part["right"])


def frontier(points: dict[str, tuple[int, int]]) -> set[str]:
    """Names of (right answers, cost) that no other is at least as good as in both, better in one.

    >>> sorted(frontier({"a": (9, 5), "b": (8, 5), "c": (7, 4), "d": (9, 5)}))
    ['a', 'c', 'd']
    """
    return {
        name
        for name, (good, cost) in points.items()
        if not any(
            other >= good and price <= cost and (other, price) != (good, cost)
            for other, price in points.values()
        )
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="DIR", help="folder of the data sets")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="of the work")
    parser.add_argument("--networks", type=Path, metavar="FILE", help="default: frontier.toml")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="no other networks")
    parser.add_argument("--images", type=int, default=1202)
    parser.add_argument("--core", choices=device.CORES, default="cortex-m4")
    parser.add_argument("--reference", metavar="NAME", help="default: the first w4a4")
    parser.add_argument(
        "--train-only", action="store_true", help="train what is not there; no table"
    )
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.images = 8
    return args


if __name__ == "__main__":
    sys.exit(main())

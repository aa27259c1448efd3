"""``qrobust plan``."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qrobust.planning.bench import Bench
    from qrobust.planning.plan import Plan, Row, Speeds

HELP = "forecast certificates at a radius: which network, sigma and n, how many votes and seconds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--radius", required=True, metavar="R", help="in LSB")
    parser.add_argument(
        "--network",
        metavar="N",
        help="a .tflite with --journal, a folder of models with their journals, or the beginning "
        "of shipped ones' names (default: all that are shipped)",
    )
    parser.add_argument(
        "--journal",
        type=Path,
        nargs="+",
        default=[],
        metavar="CERTS.jsonl",
        help="of the .tflite: what its images' votes are read from; a few hundred images with true "
        "classes will do",
    )
    parser.add_argument("--sigma", metavar="LSB", help="networks of this noise only")
    parser.add_argument("--alpha", default="0.001", help="error probability (default: 0.001)")
    parser.add_argument(
        "--n",
        type=int,
        nargs="+",
        metavar="N",
        help="votes of the bounds to compare (default: 1000 10000 100000)",
    )
    parser.add_argument(
        "--bench",
        type=Path,
        nargs="+",
        default=[],
        metavar="BENCH.json",
        help="speeds, of qrobust bench; each of one file (default: those that were recorded)",
    )
    parser.add_argument("--core", help="a microcontroller's: cortex-m4, ...")
    parser.add_argument("--mhz", type=float, default=100, help="clock of the core (default: 100)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Forecast and print."""
    from qrobust.certify.arithmetic.exact_numbers import rational
    from qrobust.certify.commands.common import check_scale
    from qrobust.planning.candidates import candidates
    from qrobust.planning.plan import BOUNDS, Speeds, make_plan
    from qrobust.planning.recorded import core_runs, rates
    from qrobust.terminal import show

    for option in ("radius", "sigma"):
        check_scale(f"--{option}", getattr(args, option))
    if args.network == "":
        raise ValueError("--network is empty; leave it out for all that are shipped")
    radius = rational(args.radius, "the radius")
    if radius < 0:
        raise ValueError(f"--radius must not be negative, received {args.radius}")
    if not 0 < args.mhz < 1e5:
        raise ValueError(f"--mhz must lie in (0, 100000), received {args.mhz}")
    models, core = _models(), None if args.core is None else _known(args.core)
    speeds = Speeds(
        benches=_benches(args.bench),
        rates={} if args.bench else rates(),
        runs=[] if core is None else core_runs(core, models),
    )
    plan = make_plan(
        candidates(args.network, args.journal, models),
        radius,
        alpha=args.alpha,
        sigma=None if args.sigma is None else rational(args.sigma, "sigma"),
        bounds=BOUNDS if args.n is None else args.n,
        speeds=speeds,
    )
    if args.json:
        print(json.dumps(_json(plan, args, core), allow_nan=False))
    else:
        show("\n".join(described(plan, speeds, core=core, mhz=args.mhz)))
    return 0 if plan.rows else 1


def _models() -> Path | None:
    from qrobust.commands.models import models_folder

    try:
        return models_folder()
    except ValueError:
        return None


def _known(core: str) -> str:
    from qrobust.planning.recorded import core_names

    known = core_names()
    if core.lower() not in known:
        there = (
            ", ".join(known) or "none: the records are in the source distribution, not in a wheel"
        )
        raise ValueError(f"nothing was counted on --core {core}; known: {there}")
    return core.lower()


def _benches(paths: Sequence[Path]) -> "dict[str, Bench]":
    from qrobust.planning.bench import read_bench

    found: dict[str, Bench] = {}
    for path in paths:
        bench = read_bench(path)
        if bench.subject.sha256 in found:
            raise ValueError(f"{path}: a second bench of one file; give one of a machine")
        found[bench.subject.sha256] = bench
    return found


def _json(plan: "Plan", args: argparse.Namespace, core: str | None) -> dict[str, object]:
    return {
        "radius": args.radius,
        "alpha": args.alpha,
        "core": None if core is None else {"name": core, "mhz": args.mhz, "emulated": True},
        "rows": [row.to_json() for row in plan.rows],
        "unknown": plan.unknown,
        "never": plan.never,
        "untimed": plan.untimed,
    }


def described(plan: "Plan", speeds: "Speeds", *, core: str | None, mhz: float) -> Iterator[str]:
    """Yield the table, and what it does not know."""
    from tabulate import tabulate

    if plan.rows:
        header = ["", "network", "sigma", "bits", "bytes", "how", "n", "certified", "votes", "s"]
        header += [] if core is None else [f"s, {core} (emulated)"]
        rows = [_cells(row, core, mhz) for row in plan.rows]
        align = ("left",) * 6 + ("right",) * (len(header) - 6)
        yield tabulate(rows, header, tablefmt="simple", disable_numparse=True, colalign=align)
        yield ""
        yield "certified: with the right class, forecast from journals; 95 % intervals over images."
        yield "votes, s: a certificate's, on average. *: fewest votes within 2 points of the best."
    yield from _of_speeds(plan, speeds)
    if core is not None and plan.rows:
        yield (
            f"{core}: instructions counted by an emulator, at one a cycle and {mhz:g} MHz; no "
            "silicon was seen. ~: another network's instructions a MAC, this file was not run."
        )
    for name, ways in plan.never.items():
        yield f"{name}: never certified at this radius: {', '.join(ways)}"
    for why in dict.fromkeys(plan.unknown.values()):
        names = [name for name, other in plan.unknown.items() if other == why]
        yield f"not known: {', '.join(names)}: {why}"


def _cells(row: "Row", core: str | None, mhz: float) -> list[str]:
    method = "bound" if row.method == "clopper_pearson" else "test"
    cells = ["*" if row.advised else "", row.network, row.sigma, row.bits or "?"]
    cells += [f"{row.bytes:,}", method, f"{row.n:,}"]
    cells += [f"{row.share:.1%} ({row.low:.1%} to {row.high:.1%})", f"{row.votes:,.0f}"]
    least = ">= " if row.at_least else ""
    cells.append("?" if row.seconds is None else f"{least}{_number(row.seconds)}")
    if core is not None:
        cells.append(_core_seconds(row, mhz))
    return cells


def _core_seconds(row: "Row", mhz: float) -> str:
    if row.instructions is None:
        return "?"
    low, high = (count / (mhz * 1e6) for count in row.instructions)
    # The two ends of a count are one number, those of an estimate are apart.
    return _number(low) if low == high else f"~{_number(low)} to {_number(high)}"


def _number(seconds: float) -> str:
    """Two digits, or all in front of the point."""
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.2g}"


def _of_speeds(plan: "Plan", speeds: "Speeds") -> Iterator[str]:
    """Where the seconds are from, and of what there are none."""
    from tflite_export.printable import printable

    for bench in speeds.benches.values():
        kind = ", emulated" if bench.machine.emulated else ""
        threads = max((row.threads for row in bench.votes), default=0)
        several = "" if threads == 1 else "s"
        kernels = f", {threads} thread{several}, kernels {printable(bench.kernels)}"
        kind += kernels if threads else ""
        busy = f"; it was busy: {bench.load.busy}" if bench.load.busy else ""
        yield (
            f"s: {printable(bench.machine.cpu)}, {bench.machine.cores} cores{kind}, "
            f"file {printable(bench.subject.sha256)[:8]}...{busy}"
        )
    rate = next(iter(speeds.rates.values()), None)
    if rate and any(row.at_least for row in plan.rows):
        load = "" if rate.load is None else f", load {rate.load:g}"
        yield (
            f"s: recorded on {rate.where}{load}: a lower end, of votes alone and, for tests, of "
            f"longer requests than theirs."
        )
    for name, why in plan.untimed.items():
        yield f"s: none of {name}: {why}"
    missing = {row.network for row in plan.rows if row.seconds is None} - set(plan.untimed)
    if missing:
        yield (
            f"s: no speed of {', '.join(sorted(missing))}: qrobust bench FILE.tflite --out "
            "bench.json, then --bench bench.json"
        )

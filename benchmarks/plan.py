"""Forecasts against what came out, on networks of which the planner saw next to nothing.

    python benchmarks/plan.py --data DIR [--images 600] [--votes 300] [--only NAME ...]
        [--state DIR] [--record plan] [--tiny]

The planner gets a journal of half of the images under a seed of its own, ``--votes`` of them each,
and a bench of the file on this machine; no other curve, no other certificate. It forecasts bounds
of 1,000 votes and sequential tests of at most 10,000 at radii of one and two sigma. Then both are
run under other keys: on the images of the journal, where only the forecast's own error is left
("same"), and on the other half ("others"), where one half of a test set differs from the other,
too. ``within`` says whether the share is within 3 points and the seconds within 25 %.

Seconds are of the whole run, its start included, as ``qrobust certify`` runs it: predicted are the
bench's start and its seconds of a certificate times the images. Others at work on the machine
between bench and run are in the ratio; the bench's own word on that is a column.

Deadlines are counted beside it: ``--deadlines`` images, each by 50, 100 and 200 ms; late is a
certificate that came more than one batch after its time.

With ``--state`` each network's rows are kept as soon as it is done, and a run that was ended goes
on after it. By the rates in docs/results/certificates_rate.json all 18 networks take about an hour
and a quarter on two idle cores, the ResNet-26 a third of it.
"""

import argparse
import json
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import results
from render import table
from sequential import certify
from smoothed_networks import chosen, named

from qrobust.certify import Certifier, Job, Settings, certify_dataset, make_data
from qrobust.certify.run.keys import KeySource
from qrobust.planning.bench import Bench
from qrobust.planning.candidates import Candidate, candidates
from qrobust.planning.measure import measure
from qrobust.planning.plan import Row, Speeds, make_plan
from qrobust.training.recipe import read_recipe
from qrobust.training.train import load_data
from tflite_export.atomic import write_text

MULTIPLES = (1, 2)
BOUND, MOST, ALPHA = 1_000, 10_000, "0.001"
POINTS, SECONDS = 0.03, 0.25
DEADLINES_MS = (50, 100, 200)
BATCH = 64
#: Of the planner's journal, and of what is compared with its forecast.
SEEN, UNSEEN = (KeySource.choose(seed=seed) for seed in (1, 2))


def main() -> int:
    args = arguments()
    folders = chosen(args.only)[: 1 if args.tiny else None]
    counts: list[dict[str, Any]] = []
    speeds: list[dict[str, Any]] = []
    for folder in folders:
        shares, seconds = remembered(folder, args)
        counts += shares
        speeds += seconds
        print(table(shares), table(seconds), sep="\n\n", flush=True)
    within = sum(row["within"] == "yes" for row in counts)
    print(f"{within} of {len(counts)} shares are within {POINTS:.0%}", file=sys.stderr)
    files = [folder / "model.tflite" for folder in folders]
    results.record(args.record, counts=counts, speeds=speeds, models=files)
    return 0


def remembered(
    folder: Path, args: argparse.Namespace
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of a network; with ``--state`` those of an earlier run of the same file and numbers."""
    if args.state is None:
        return compared(folder, args)
    about = [args.images, args.votes, args.deadlines, results.file_sha256(folder / "model.tflite")]
    path = args.state / f"{named(folder).replace('/', '_')}.json"
    if path.is_file() and (value := json.loads(path.read_text()))["about"] == about:
        return value["shares"], value["seconds"]
    shares, seconds = compared(folder, args)
    value = {"about": about, "shares": shares, "seconds": seconds}
    args.state.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, indent=1))
    return shares, seconds


def compared(
    folder: Path, args: argparse.Namespace
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of a network: shares and votes, seconds and deadlines."""
    recipe = read_recipe(results.recipe_of(folder))
    test, file = load_data(recipe, args.data).test, (folder / "model.tflite").read_bytes()
    half = min(args.images, len(test.y)) // 2
    parts = {
        "same": make_data(test.x[:half], test.y[:half]),
        "others": make_data(test.x[half : 2 * half], test.y[half : 2 * half]),
    }
    bench = measure(file, seconds=args.seconds, rounds=args.rounds)
    network = seen(folder, file, parts["same"], args.votes)
    shares, seconds = [], []
    for multiple in MULTIPLES:
        radius = multiple * Fraction(recipe.noise)
        speeds = Speeds(benches={network.sha256: bench}, rates={})
        plan = make_plan([network], radius, bounds=(BOUND,), most=MOST, speeds=speeds)
        for row in plan.rows:
            for name, data in parts.items():
                share, second = against(row, radius, file, data, bench)
                about = {"network": named(folder), "radius (LSB)": f"{float(radius):g}"}
                about |= {"how": f"{row.method}, n = {row.n:,}", "images": name}
                shares.append(about | share)
                seconds.append(about | second)
        if not plan.rows:
            print(f"{named(folder)}: {plan.unknown or plan.never}", file=sys.stderr)
    seconds.append(deadlines(named(folder), file, parts["others"].x[: args.deadlines]))
    return shares, seconds


def seen(folder: Path, file: bytes, data: Any, votes: int) -> Candidate:
    """What the planner is shown: one journal of few votes, and the file."""
    with tempfile.TemporaryDirectory() as place:
        journal = Path(place) / "certificates.jsonl"
        job = Job(file, Settings(n=votes, alpha=ALPHA), keys=SEEN)
        list(certify_dataset(job, data, out=journal, allow_constant=True))
        (network,) = candidates(str(folder / "model.tflite"), [journal], None)
    return network


def against(
    row: Row, radius: Fraction, file: bytes, data: Any, bench: Bench
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A forecast beside a run."""
    tested = row.method != "clopper_pearson"
    settings = Settings(
        method=row.method, n=row.n, alpha=ALPHA, radius=str(radius) if tested else None
    )
    job, images = Job(file, settings, keys=UNSEEN), len(data)
    certify(job, data, 1)  # thresholds are made once
    found, took = certify(job, data, images)
    right = sum(c.label == c.y and c.radius_q16 >= radius * (1 << 16) for c in found)
    votes = sum(c.samples for c in found) / images
    expected = (bench.start_s or 0.0) + images * (row.seconds or 0.0)
    difference, ratio = row.share - right / images, expected / took
    return (
        {
            "forecast": f"{row.share:.1%}",
            "certified": results.share(right, images),
            "forecast minus certified": f"{100 * difference:+.1f}",
            "within": "yes" if abs(difference) <= POINTS else "no",
            "votes, forecast": f"{row.votes:,.0f}",
            "votes": f"{votes:,.0f}",
        },
        {
            "s, forecast": f"{expected:.2f}",
            "s": f"{took:.2f}",
            "forecast / s": f"{ratio:.2f}",
            "within": "yes" if abs(ratio - 1) <= SECONDS else "no",
            "bench": bench.load.busy or "idle",
        },
    )


def deadlines(name: str, file: bytes, x: Any) -> dict[str, Any]:
    """How many deadlines were missed, as a row of seconds."""
    late = of = 0
    worst = 0.0
    with Certifier(file, key=UNSEEN) as certifier:
        certifier.certify(x[0], deadline_ms=DEADLINES_MS[-1])  # starts what has to be started
        for index in range(len(x)):
            for ms in DEADLINES_MS:
                made = certifier.certify(x[index], deadline_ms=ms, index=index)
                over = made.seconds - ms / 1000
                late += over > BATCH * made.seconds / max(made.samples, BATCH)
                worst, of = max(worst, over), of + 1
    return {
        "network": name,
        "how": "by 50, 100 and 200 ms",
        "images": f"{len(x)} of the others",
        "late": f"{late} of {of}",
        "latest": f"{1000 * worst:+.1f} ms",
        "within": "yes" if 100 * late <= of else "no",
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", metavar="DIR", help="folder of the data sets")
    parser.add_argument("--images", type=int, default=600, help="half of them seen")
    parser.add_argument("--votes", type=int, default=300, help="an image, that the planner sees")
    parser.add_argument("--deadlines", type=int, default=100, help="images that have some")
    parser.add_argument("--state", type=Path, metavar="DIR", help="of networks that are done")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="no other networks")
    results.add_arguments(parser)
    args = parser.parse_args()
    args.seconds, args.rounds = 0.2, 5
    if args.tiny:
        args.images, args.votes, args.deadlines, args.only = 12, 200, 2, ["digits"]
        args.seconds, args.rounds = 0.01, 1
    return args


if __name__ == "__main__":
    sys.exit(main())

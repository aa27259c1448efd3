"""``qrobust bench``."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qrobust.planning.bench import Bench

HELP = "measure this machine's speed on a .tflite: inferences, votes, certificates, as one JSON"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from qrobust.certify.file.model_file import KERNELS

    parser.add_argument("model", type=Path, metavar="MODEL.tflite", help="that certify would run")
    parser.add_argument(
        "--out", type=Path, metavar="BENCH.json", help="to send in, and for plan --bench"
    )
    parser.add_argument(
        "--sigma", metavar="LSB", help="scale of the noise in input LSB (default: the file's spec)"
    )
    parser.add_argument("--threads", type=int, help="at most (default: all cores)")
    parser.add_argument(
        "--kernels", choices=sorted(KERNELS), default="xnnpack", help="LiteRT kernel family"
    )
    parser.add_argument(
        "--seconds", type=float, default=0.2, help="of one measurement (default: 0.2)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of all of them (default: 5)")
    parser.add_argument(
        "--emulated", action="store_true", help="say that this machine is an emulator"
    )
    parser.add_argument("--json", action="store_true", help="print the JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Measure, write and print."""
    from qrobust.certify.commands.common import check_scale
    from qrobust.planning.bench import text_of
    from qrobust.planning.measure import measure
    from qrobust.terminal import show
    from tflite_export.atomic import write_text

    check_scale("--sigma", args.sigma)
    if args.out is not None and not args.out.parent.is_dir():
        raise ValueError(f"--out {args.out}: there is no folder {args.out.parent}")
    bench = measure(
        args.model,
        sigma=args.sigma,
        threads=args.threads,
        kernels=args.kernels,
        seconds=args.seconds,
        rounds=args.rounds,
        emulated=args.emulated,
    )
    if args.out is not None:
        write_text(args.out, text_of(bench))
    if args.json:
        print(json.dumps(bench.to_json()))
    else:
        show(table(bench))
    if bench.load.busy:
        print(
            f"busy: {bench.load.busy}. These are not its own speeds: run it again when it is idle.",
            file=sys.stderr,
        )
    return 0


def table(bench: "Bench") -> str:
    """Return what was measured as text."""
    from tabulate import tabulate

    machine, subject = bench.machine, bench.subject
    kind = " (emulated)" if machine.emulated else ""
    rows = [
        ("inferences", row.batch, row.threads, f"{row.per_s:,.0f}", f"{row.per_cpu_s:,.0f}")
        for row in bench.inferences
    ] + [
        ("votes", row.request, row.threads, f"{row.per_s:,.0f}", f"{row.per_cpu_s:,.0f}")
        for row in bench.votes
    ]
    header = ["what", "at a time", "threads", "a second", "a processor second"]
    lines = [
        f"{machine.cpu}, {machine.cores} cores{kind}; {bench.kernels}, "
        f"ai-edge-litert {bench.versions['ai-edge-litert']}",
        f"{subject.bytes:,} bytes, sha256 {subject.sha256[:16]}...",
        "",
        tabulate(
            rows,
            header,
            tablefmt="simple",
            disable_numparse=True,
            colalign=("left",) + ("right",) * 4,
        ),
        "",
    ]
    if bench.start_s is None or bench.certificate_s is None:
        lines.append("no votes: the file names no noise (give --sigma), or counts views")
    else:
        lines.append(
            f"a certifier is ready after {bench.start_s:.2g} s; a certificate takes "
            f"{bench.certificate_s * 1000:.2g} ms beside its votes"
        )
    return "\n".join(lines)

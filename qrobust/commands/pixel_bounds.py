"""``qrobust verify --pixel-bounds``, and ``audit`` of what it wrote."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from qrobust.commands.inputs import load_for

_DEFECT = 1


def is_bounds_journal(path: Any) -> bool:
    """Whether a file is a journal of pixel bounds; errors are left to whoever reads it."""
    from qrobust.certify.run.journal import first_object
    from qrobust.verify.bounds_journal import KIND

    return first_object(path).get("kind") == KIND


def _data(args: argparse.Namespace) -> Any:
    return load_for(args.data, args.model, args.fit, allow_code=args.allow_code)


def run_bounds(args: argparse.Namespace) -> int:
    """Bound the first images of a data set; a run that stops is gone on with."""
    from tqdm import tqdm

    from qrobust.certify.report.write_report import can_plot
    from qrobust.verify.bounds_journal import bound_dataset, global_bounds, plot_bounds
    from qrobust.verify.pixels import DEFAULT_BUDGET, pixels_of
    from qrobust.verify.problem import Problem

    given = ("family", "norm", "box", "reach", "radius", "mask", "method", "tests")
    for name in (*given, "start"):
        if getattr(args, name):
            raise ValueError(f"--{name} does not go with --pixel-bounds, which names the region")
    if args.workers != 1:
        raise ValueError("--pixel-bounds takes one image after the other: leave out --workers")
    if args.plot is not None and not can_plot():
        raise ValueError("--plot needs Matplotlib: pip install 'qrobust[report]'")
    problem, data = Problem(args.model, kernels=args.kernels), _data(args)
    images = len(data) if args.limit is None else min(args.limit, len(data))
    budget = DEFAULT_BUDGET if args.budget is None else args.budget
    steps = bound_dataset(
        problem, data, out=args.out, images=images, most=args.pixel_bounds, budget=budget
    )
    total = images * (args.pixel_bounds + 1)
    bar = tqdm(steps, total=total, unit="step", disable=args.quiet or None, file=sys.stderr)
    taken = list(bar)
    last = {step.image: step for step in taken}
    points = global_bounds(taken, images, pixels_of(problem.picture(data.x[0])))
    _, lower, upper = points[-1]
    meet = sum(not step.open for step in last.values())
    runs = sum(step.inferences for step in taken)
    if args.plot is not None:
        plot_bounds(points, args.plot)
    if args.json:
        values = {"images": images, "mean_lower": lower, "mean_upper": upper, "meet": meet}
        found = [{"image": s.image, "lower": s.lower, "upper": s.upper} for s in last.values()]
        print(json.dumps({**values, "inferences": runs, "bounds": found, "out": args.out}))
    else:
        print(
            f"pixels that change a label: {lower:.3f} to {upper:.3f} on average over {images} "
            f"images, known exactly for {meet}; {runs} inferences; journal in {args.out}"
        )
    return 0


def run_bounds_audit(args: argparse.Namespace) -> int:
    """Take every step of a journal of bounds again."""
    from qrobust.certify.run.journal import read_lines
    from qrobust.verify.audit import unfinished
    from qrobust.verify.bounds_journal import audit_bounds
    from qrobust.verify.problem import Problem

    header, *lines = (line.value for line in read_lines(args.journal))
    total = sum("index" in line for line in lines)
    if args.offline:
        print(f"{total} steps: not checkable without the model")
        return 0
    if args.model is None or args.data is None:
        raise ValueError("bounds are checked with their model and data: audit JOURNAL MODEL DATA")
    problem = Problem(args.model, kernels=str(header.get("kernels")))
    findings = list(audit_bounds(args.journal, problem, _data(args)))
    failed = [reason for _, reason in findings if reason]
    for reason in [] if args.json else failed:
        print(reason)
    if args.json:
        print(json.dumps({"steps": total, "failed": failed}))
    else:
        lacks = unfinished(args.journal, "steps")
        print(f"{total} steps, {len(failed)} do not stand" + (f"; {lacks}" if lacks else ""))
    return _DEFECT if failed else 0


def run_bounds_attack(args: argparse.Namespace) -> int:
    """Attack every lower bound with fewer pixels; 1 when one has a hole."""
    from dataclasses import asdict

    from qrobust.verify.bounds_journal import attack_bounds
    from qrobust.verify.problem import Problem
    from tflite_export.atomic import write_text

    if (args.mask, args.box, args.reach, args.images) != (None, None, None, None):
        raise ValueError("bounds of pixels are attacked as they are: no --mask, --box, --images")
    problem = Problem(args.model)
    found = attack_bounds(args.certificates, problem, _data(args), seed=args.seed)
    write_text(args.out, json.dumps({"region": "pixels", **asdict(found)}, indent=1) + "\n")
    for defect in found.defects:
        print(defect)
    print(
        f"{found.attacked} lower bounds attacked, {len(found.defects)} broken; control: "
        f"{found.fooled} of {found.control} upper bounds met; {found.inferences} inferences"
    )
    return _DEFECT if found.defects else 0

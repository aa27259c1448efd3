"""``qrobust verify``, and what ``audit`` and ``attack`` do with its journals."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from qrobust.certify.commands.common import add_reading
from qrobust.commands.inputs import DATA_HELP, load_for
from qrobust.commands.networks import NETWORK_HELP, export_first
from qrobust.terminal import show

HELP = "prove that labels hold in boxes and families of changes, without an error probability"
_DEFECT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "model", metavar="MODEL.tflite", help=f"fully integer classifier{NETWORK_HELP}"
    )
    parser.add_argument("data", type=Path, metavar="DATA", help=DATA_HELP)
    add_reading(parser)
    parser.add_argument(
        "--out", required=True, metavar="PROOFS.jsonl", help="resumed if unfinished"
    )
    parser.add_argument(
        "--family",
        metavar="F",
        help="light:32, shift:2, contrast:.8..1.25[:pivot=128], gamma:.7..1.4, rotate:10, time:3, "
        "gain:8; shift, rotate and time take :border=edge|zero|wrap; A*B is a product",
    )
    parser.add_argument(
        "--norm", choices=("linf", "l0"), help="with --radius: a box around the input, or pixels"
    )
    parser.add_argument("--radius", metavar="R", help="steps (linf) or pixels (l0), a whole number")
    parser.add_argument(
        "--mask", type=Path, metavar="MASK.npy", help="bool: where a box may change the input"
    )
    add_boxes(parser)
    parser.add_argument(
        "--method",
        help="enumeration, intervals, linear, branching or subsets (default: enumeration for "
        "families, branching for boxes, subsets for l0)",
    )
    parser.add_argument(
        "--budget",
        type=int,
        help="an image: inferences of enumeration (default: 100000), boxes of branching (2000), "
        "both together for l0 (1000000)",
    )
    parser.add_argument(
        "--tests",
        type=Path,
        metavar="DIR",
        help="also write, for each refuted image, two inputs one step apart with different labels",
    )
    parser.add_argument(
        "--pixel-bounds",
        type=int,
        metavar="K",
        help="instead of a region: the smallest number of pixels that change each label, from "
        "below by proofs up to K pixels, from above by an attack; resumed, image after image",
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="with --pixel-bounds: both means against time"
    )
    parser.add_argument("--kernels", default="xnnpack", help="LiteRT kernel family")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--start", type=int, default=0, help="first image (default: 0)")
    parser.add_argument("--limit", type=int, help="how many images (default: all)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def add_boxes(parser: Any) -> None:
    """Add the files that give every image a box of its own; audit and attack take them, too."""
    parser.add_argument(
        "--box",
        nargs=2,
        type=Path,
        metavar=("LOW.npy", "HIGH.npy"),
        help="corners of a box for every image: whole numbers on the input grid",
    )
    parser.add_argument(
        "--reach",
        type=Path,
        metavar="REACH.npy",
        help="whole steps that each number may move, for all images or for each",
    )


def run(args: argparse.Namespace) -> int:
    """Prove; an unfinished proof is unknown, never robust."""
    export_first(args, args.out)
    if args.pixel_bounds is not None:
        from qrobust.commands.pixel_bounds import run_bounds

        return run_bounds(args)
    if args.plot is not None:
        raise ValueError("--plot goes with --pixel-bounds K")
    from qrobust.certify.file.model_file import read_model
    from qrobust.certify.run.journal import is_stream
    from qrobust.verify.batch import ProofJob, prove_dataset
    from qrobust.verify.figures import figures
    from qrobust.verify.pool import processes
    from qrobust.verify.problem import Problem

    content = read_model(args.model)
    rows = None if args.limit is None else max(args.start, 0) + args.limit
    data = load_for(args.data, args.model, args.fit, allow_code=args.allow_code, rows=rows)
    if not 0 <= args.start < len(data):
        raise ValueError(f"--start must lie in [0, {len(data)}), received {args.start}")
    for name in ("limit", "workers"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise ValueError(f"--{name} must be at least 1, received {getattr(args, name)}")
    end = len(data) if args.limit is None else min(len(data), args.start + args.limit)
    job = ProofJob(
        model=content,
        region=_region(args),
        method=args.method,
        budget=args.budget,
        kernels=args.kernels,
        mask=_mask(args.mask, content),
    )
    wanted, corners = range(args.start, end), _corners(args)
    with processes(args.workers) as executor:
        lines = prove_dataset(
            job,
            data,
            out=args.out,
            indices=wanted,
            executor=executor,
            window=2 * args.workers,
            corners=corners,
        )
        chosen = list(_bar(lines, len(wanted), args.quiet))
    fresh = sum(line.outcome.inferences for line in chosen)
    if not is_stream(args.out):  # those of earlier runs, too
        _, found = _read(args.out, content, args.kernels)
        chosen = [line for line in found if line.index in wanted]
    shown = figures(chosen)
    if args.json:
        print(json.dumps({**shown.to_json(), "inferences_run": fresh, "out": args.out}))
    else:
        show(f"{job.region}: {shown.text()}; proofs in {args.out}")
    if args.tests is not None:
        from qrobust.verify.boundary_pairs import write_pairs

        path, pairs = write_pairs(Problem(content, kernels=args.kernels), data, chosen, args.tests)
        print(f"{pairs} pairs in {path}", file=sys.stderr if args.json else sys.stdout)
    return 0


def _corners(args: argparse.Namespace) -> Any:
    from qrobust.verify.corners import load_corners, load_reach

    if args.box is not None and args.reach is not None:
        raise ValueError("--box and --reach both give boxes; give one")
    if args.box is not None:
        return load_corners(*args.box)
    return None if args.reach is None else load_reach(args.reach)


def _region(args: argparse.Namespace) -> str:
    from qrobust.verify.corners import CORNERS, REACH

    given = (args.family, args.norm, args.box, args.reach)
    if sum(option is not None for option in given) != 1:
        raise ValueError(
            "give one region: --family F, --norm linf|l0 --radius R, --box LOW HIGH or --reach FILE"
        )
    if args.box is not None or args.reach is not None:
        if args.radius is not None or args.mask is not None:
            raise ValueError(
                "--radius and --mask go with --norm; a box has its corners in its file"
            )
        return CORNERS if args.reach is None else REACH
    if args.family is not None:
        if args.radius is not None:
            raise ValueError("--radius goes with --norm; a family has its range in its name")
        return str(args.family)
    if args.radius is None:
        raise ValueError("--norm needs --radius R")
    return f"{args.norm}:{args.radius}"


def _mask(path: Path | None, content: bytes) -> bytes | None:
    from qrobust.certify.run.array_files import read_npy

    if path is None:
        return None
    mask = read_npy(path, what="mask")
    if mask.dtype != bool:
        raise ValueError(f"the mask {path} must be a bool array (np.save)")
    from qrobust.certify.file.model_file import load_model

    shape = load_model(content).shape
    # A turned mask has the right number of numbers, too.
    if [side for side in mask.shape if side != 1] != [side for side in shape if side != 1]:
        raise ValueError(f"the mask {path} has shape {mask.shape}, the inputs have {shape}")
    return mask.tobytes()


def is_proof_journal(path: Any) -> bool:
    """Whether a file is a journal of proofs; errors are left to whoever reads it."""
    from qrobust.certify.run.journal import first_object
    from qrobust.verify.proof_line import is_proof

    return is_proof(first_object(path))


def run_audit(args: argparse.Namespace, then: Callable[[Any], None] | None = None) -> int:
    """Check a journal of proofs, or hand on to the audit of votes.

    Args:
        args: of the command line.
        then: says more of votes that stand; see `run_audit_command`.
    """
    from qrobust.certify.commands.audit import run_audit_command
    from qrobust.certify.file.model_file import read_model
    from qrobust.certify.run.journal import read_lines
    from qrobust.commands.pixel_bounds import is_bounds_journal, run_bounds_audit

    if is_bounds_journal(args.journal):
        return run_bounds_audit(args)
    if not is_proof_journal(args.journal):
        if (args.mask, args.box, args.reach) != (None, None, None):
            raise ValueError(f"'{args.journal}' holds no proofs: leave out --mask, --box, --reach")
        return run_audit_command(args, then)
    total = sum("index" in line.value for line in read_lines(args.journal, chained=False))
    if args.offline:
        print(f"{total} proofs: not checkable without the model")
        return 0
    if args.model is None or args.data is None:
        raise ValueError("proofs are checked with their model and data: audit PROOFS MODEL DATA")
    for option in ("sample", "fresh_seed", "independent", "plan_hash"):
        if getattr(args, option) is not None:
            raise ValueError(
                f"--{option.replace('_', '-')} is about votes; proofs are proven again, "
                "all of them or one in --every K"
            )
    from qrobust.verify.audit import audit_proofs, unfinished

    content = read_model(args.model)
    findings = audit_proofs(
        args.journal,
        content,
        load_for(args.data, args.model, args.fit, allow_code=args.allow_code),
        mask=_mask(args.mask, content),
        corners=_corners(args),
        every=args.every,
    )
    failed = [f for f in _bar(findings, total, args.quiet) if not f.reproduced]
    if args.json:
        lines = [{"line": f.line, "index": f.index, "reason": f.reason} for f in failed]
        print(
            json.dumps({"proofs": total, "failed": lines, "unfinished": unfinished(args.journal)})
        )
    else:
        for finding in failed:
            print(f"line {finding.line}, image {finding.index}: {finding.reason}")
        lacks = unfinished(args.journal)
        print(f"{total} proofs, {len(failed)} do not stand" + (f"; {lacks}" if lacks else ""))
    return _DEFECT if failed else 0


def run_cross_examination(args: argparse.Namespace) -> int:
    """Attack a journal of proofs in its own threat model; 1 when a proof has a hole."""
    import hashlib
    from dataclasses import asdict

    from qrobust.certify.file.model_file import read_model
    from qrobust.verify.batch import ProofJob, job_header
    from qrobust.verify.cross_examine import cross_examine

    content = read_model(args.model)
    data = load_for(args.data, args.model, args.fit, allow_code=args.allow_code)
    header, lines = _read(args.certificates, content, "xnnpack")
    if header["data_sha256"] != data.sha256:
        raise ValueError(f"'{args.certificates}' is about other data than '{args.data}'.")
    mask = _mask(args.mask, content)
    given = None if mask is None else hashlib.sha256(mask).hexdigest()
    if header.get("mask_sha256") != given:
        raise ValueError(
            f"'{args.certificates}' holds proofs with {'another' if mask else 'a'} mask: give the "
            "one they were made with, --mask MASK.npy"
            if header.get("mask_sha256") is not None
            else f"'{args.certificates}' holds proofs without a mask: leave out --mask"
        )
    from qrobust.verify.problem import Problem
    from tflite_export.atomic import write_text

    problem = Problem(content, kernels=header["kernels"])
    job = ProofJob(content, header["region"], header["method"], mask=mask)
    region, _, _ = job.chosen(problem)
    corners = _corners(args)
    job_header(problem, job, data, corners)  # refuses boxes of another kind
    if header.get("corners_sha256") != (None if corners is None else corners.sha256):
        raise ValueError(f"'{args.certificates}' was made with another file of boxes.")
    if any(not 0 <= line.index < len(data) for line in lines):
        raise ValueError(
            f"'{args.certificates}' speaks of images that '{args.data}' does not have."
        )
    end = len(data) if args.images is None else args.images
    chosen = [line for line in lines if line.index < end]
    found = cross_examine(problem, region, data, chosen, corners=corners, seed=args.seed)
    report = {"region": header["region"], **asdict(found)}
    write_text(args.out, json.dumps(report, indent=1) + "\n")
    for defect in found.defects:
        print(defect)
    print(
        f"{header['region']}: {found.attacked} proofs attacked, {len(found.defects)} broken; "
        f"control: {found.fooled} of {found.control} refuted images fooled; "
        f"{found.inferences} inferences"
    )
    return _DEFECT if found.defects else 0


def _read(path: Any, content: bytes, kernels: str) -> tuple[dict[str, Any], list[Any]]:
    """Header and lines of a journal of proofs about this file."""
    import hashlib

    from qrobust.certify.run.journal import read_lines
    from qrobust.verify.problem import Problem
    from qrobust.verify.proof_line import ProofLine

    domain = Problem(content, kernels=kernels).domain
    header, *rest = (line.value for line in read_lines(path))
    for name in ("model_sha256", "data_sha256", "region", "method", "kernels"):
        if not isinstance(header.get(name), str):
            raise ValueError(f"the header of '{path}' is damaged: {name} is {header.get(name)!r}.")
    if header["model_sha256"] != hashlib.sha256(content).hexdigest():
        raise ValueError(f"'{path}' is about another model.")
    return header, [ProofLine.from_json(value, domain) for value in rest if "index" in value]


def _bar(items: Iterable[Any], total: int, quiet: bool) -> Any:
    from tqdm import tqdm

    # None: no bar where standard error is not a terminal.
    return tqdm(items, total=total, unit="image", disable=quiet or None, file=sys.stderr)

"""``qrobust certify --family`` and ``audit --family``: families around a smoothed file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

#: alpha of an image where none is given, as for one certificate.
_ALPHA = "0.001"


def add_arguments(certifying: Any, auditing: Any) -> None:
    """Add the options to ``certify`` and ``audit``."""
    certifying.add_argument(
        "--family",
        metavar="F",
        help="certify every member of light:B, shift:R, ... (see verify), alpha shared among them; "
        "members are written to CERTS.members.npz",
    )
    auditing.add_argument(
        "--family",
        metavar="F",
        help="DATA holds images whose members of this family were certified: check that too",
    )


def run_certify(args: argparse.Namespace) -> int:
    """Certify a data set, or all members of a family of each of its images."""
    from qrobust.certify.commands.certify import run_certify as certify
    from qrobust.commands.inputs import load_for
    from qrobust.commands.networks import export_first

    export_first(args, args.out)
    if args.family is None:
        return certify(args)
    import numpy as np

    from qrobust.certify import read_certificates, read_spec
    from qrobust.certify.arithmetic.exact_numbers import rational, text
    from qrobust.certify.file.model_file import load_model, read_model
    from qrobust.certify.run.journal import is_stream
    from qrobust.verify.smoothed_family import (
        joint,
        joint_text,
        members_of,
        members_path,
        shared_alpha,
    )
    from tflite_export.atomic import replacing

    if args.out is None or is_stream(args.out):
        raise ValueError("--family needs --out CERTS.jsonl, a file: members are written beside it")
    if args.start or (args.limit is not None and args.limit < 1):
        raise ValueError("--family certifies the first images: --limit is 1 or more, no --start")
    if args.batch < 1:
        raise ValueError(f"--batch must be at least 1, received {args.batch}")
    content = read_model(args.model)
    file, spec = load_model(content, trusted=args.trusted), read_spec(content)
    images = load_for(args.data, args.model, args.fit, allow_code=args.allow_code)
    members = members_of(file, images, args.family, args.limit)
    counted = spec is not None and spec.counting is not None
    alpha = "0" if counted else args.alpha or _ALPHA
    if not counted:
        args.alpha = text(shared_alpha(rational(alpha, "--alpha"), members.family.size))
    args.data, args.limit = members_path(args.out), None
    with replacing(args.data) as beside:
        np.savez_compressed(beside, **_arrays(members))
    status = certify(args)
    if status == 0 and not args.print_plan:
        certificates = list(read_certificates(args.out))
        found = joint(certificates, members.family.size)
        norm = certificates[0].norm
        print(
            _json(found, members, alpha, norm)
            if args.json
            else joint_text(found, members.family, alpha, norm=norm, images=members.images)
        )
    return status


def run_audit(args: argparse.Namespace) -> int:
    """Audit a journal; with a family, make the members of the images again first.

    The plan holds the digest of the members' data set, so that another family, other images or
    another order are refused.
    """
    from qrobust.commands import verify

    if args.family is None:
        return verify.run_audit(args)
    import tempfile

    import numpy as np

    from qrobust.certify import Verdict, check_offline
    from qrobust.certify.arithmetic.exact_numbers import rational, text
    from qrobust.certify.file.model_file import load_model, read_model
    from qrobust.commands.inputs import load_for
    from qrobust.verify.smoothed_family import joint, joint_text, members_of

    if verify.is_proof_journal(args.journal):
        raise ValueError(f"'{args.journal}' holds proofs, which name their family: no --family")
    if args.offline or args.model is None or args.data is None:
        raise ValueError("--family is checked with the model and the images: leave out --offline")
    checked = check_offline(args.journal)
    plan, planned = checked.head.plan, checked.head.images or 0
    content = read_model(args.model)
    file = load_model(content)
    data = load_for(args.data, args.model, args.fit, allow_code=args.allow_code)
    size = members_of(file, data, args.family, 1).family.size
    members = members_of(file, data, args.family, max(planned // size, 1))
    if planned % size or members.data.sha256 != plan["data_sha256"]:
        raise ValueError(
            f"'{args.journal}' is not about all members of {members.family.text} of the first "
            f"images of '{args.data}'"
        )

    def together(verdict: Verdict) -> None:
        if args.json:
            return
        refuted = set(verdict.refuted)
        some = [c for line, c in checked.certificates.items() if line not in refuted]
        alpha = "0" if plan["alpha"] == "0" else text(rational(plan["alpha"], "alpha") * size)
        norm = some[0].norm if some else "l2"
        found = joint(some, size)
        print(joint_text(found, members.family, alpha, norm=norm, images=planned // size))

    with tempfile.TemporaryDirectory() as folder:
        args.data = Path(folder) / "members.npz"
        np.savez(args.data, **_arrays(members))
        return verify.run_audit(args, together)


def _arrays(members: Any) -> dict[str, Any]:
    data = members.data
    return {"x": data.x} if data.y is None else {"x": data.x, "y": data.y}


def _json(found: Any, members: Any, alpha: str, norm: str) -> str:
    lines = [{"index": c.index, "label": c.label, "radius_q16": c.radius_q16} for c in found]
    return json.dumps(
        {
            "family": members.family.text,
            "members": members.family.size,
            "alpha": alpha,
            "norm": norm,
            "images": len(found),
            "certified": sum(c.label >= 0 for c in found),
            "right": sum(0 <= c.label == c.y for c in found),
            "joint": lines,
        }
    )

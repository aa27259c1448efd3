"""What ``qrobust attack --certificates`` does with a journal of counted views."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

_DEFECT = 1


def is_count_journal(path: Any) -> bool:
    """Whether a file is a journal of counted views; errors are left to whoever reads it."""
    from qrobust.certify.run.journal import first_object
    from qrobust.certify.smoothings.counting import KINDS

    plan = first_object(path).get("plan")
    return isinstance(plan, dict) and plan.get("method") in KINDS


def run_counts(args: argparse.Namespace) -> int:
    """Attack certificates in their own norm; 1 when one has a hole."""
    from qrobust.attacks import CountedTarget
    from qrobust.attacks.evaluation.attack_counts import attack_counts
    from qrobust.certify import Certifier, check_offline
    from qrobust.certify.file.model_file import read_model
    from qrobust.commands.inputs import load_for
    from tflite_export.atomic import write_text

    content = read_model(args.model)
    data = load_for(args.data, args.model, args.fit, allow_code=args.allow_code)
    checked = check_offline(args.certificates)
    with Certifier(content, trusted=args.trusted) as certifier:
        for key, digest, path in (
            ("model_sha256", certifier.file.sha256, args.model),
            ("data_sha256", data.sha256, args.data),
        ):
            if checked.head.plan[key] != digest:
                raise ValueError(f"'{args.certificates}' is about another file than '{path}'.")
        end = len(data) if args.images is None else args.images
        chosen = [c for c in checked.certificates.values() if c.index < end]
        target = CountedTarget(certifier, name=args.model.name)
        found = attack_counts(target, data.x, chosen, seed=args.seed)
    method = checked.head.plan["method"]
    write_text(args.out, json.dumps({"method": method, **asdict(found)}, indent=1) + "\n")
    for defect in found.defects:
        print(defect)
    print(
        f"{method}: {found.attacked} certificates attacked, {len(found.defects)} broken; control: "
        f"{found.fooled} of {found.control} images fooled outside their radii; {found.queries} "
        f"queries of {target.views} views"
    )
    return _DEFECT if found.defects else 0

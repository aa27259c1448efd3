"""`qrobust attack` on the shipped digits file: accuracy left, and its certificates attacked.

    python benchmarks/attack_digits.py [--images 200] [--epsilon 40] [--record attack_digits]
        [--tiny]

Standard suite in an L-inf ball, black box on `models/digits/model.tflite`, transfer from its Keras
model, and EOT-PGD within the radii of its certificates, none of which may break.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import results
from render import table

from qrobust import cli
from qrobust.certify import read_certificates
from qrobust.datasets import digits

FOLDER = results.PROJECT / "models" / "digits"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--epsilon", type=float, default=40, help="L-inf, LSB")
    results.add_arguments(parser)
    args = parser.parse_args()
    if args.tiny:
        args.images = 2
    journal, model = FOLDER / "certificates.jsonl", FOLDER / "model.tflite"
    certified, test = len(list(read_certificates(journal))), digits(0).test
    x, y = test.x[:certified], test.y[:certified]
    with tempfile.TemporaryDirectory() as made:
        data, report = Path(made) / "data.npz", Path(made) / "report.json"
        np.savez(data, x=x, y=y)
        options = ["--epsilon", f"{args.epsilon:g}", "--images", str(args.images)]
        options += ["--surrogate", str(FOLDER / "model.keras"), "--certificates", str(journal)]
        status = cli.main(["attack", str(model), str(data), "--out", str(report), *options])
        if not report.exists():
            return status
        found = json.loads(report.read_text())
    of = found["images"]
    rows = [
        {"attack": name, "right answers left": results.share(round(share * of), of)}
        for name, share in (
            ("none", found["clean_accuracy"]),
            *((attack["name"], attack["accuracy_within_budget"]) for attack in found["attacks"]),
            ("the best for each image", found["worst_case_accuracy"]),
        )
    ]
    rows.append(
        {
            "attack": "EOT-PGD within certified radii: certificates that hold",
            "right answers left": results.share(
                found["attacked_certificates"] - len(found["broken_certificates"]),
                found["attacked_certificates"],
            ),
        }
    )
    print(table(rows))
    results.record(
        args.record,
        counts=rows,
        models=[model, FOLDER / "model.keras"],
        data={f"the first {certified} test digits": x},
        seed=0,
    )
    return status


if __name__ == "__main__":
    sys.exit(main())

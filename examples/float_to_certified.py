"""A trained float Keras network to a certified integer file, with a page to show.

    python examples/float_to_certified.py NET.keras DATA.npz OUT_FOLDER [--sigma 16] [--bits 6]

DATA.npz holds x (pixels 0 to 255, as the network reads them) and y. No training: ranges come from
the first half, certificates are about the second. A network that never saw noise keeps little
radius; examples/gpu_start.py trains it further.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import qrobust
import tflite_export
from qrobust.certify import Job, SmoothingSpec, attach_spec, certify_dataset, load_data, make_data
from qrobust.certify.methods.settings import Settings
from qrobust.certify.report.page.subject import Subject
from qrobust.certify.report.page.write_page import write_page
from qrobust.certify.report.summary import Summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", metavar="NET.keras")
    parser.add_argument("data", metavar="DATA.npz")
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    parser.add_argument("--sigma", default="16", help="of the noise, in LSB")
    parser.add_argument("--bits", type=int, default=6, help="of weights")
    parser.add_argument("--samples", type=int, default=1000)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    given = load_data(args.data)
    half = len(given) // 2
    model = keras.models.load_model(args.network)
    model = qrobust.quantize(model, args.bits, 8, calibrate=given.x[:half])
    exported = tflite_export.export(model)
    print(exported.report, tflite_export.check_parity(model, exported, given.x[half:]), sep="\n")
    file = attach_spec(exported.tflite, SmoothingSpec.for_model(exported.tflite, sigma=args.sigma))
    (args.out / "model.tflite").write_bytes(file)
    data = make_data(given.x[half:], None if given.y is None else given.y[half:])
    job = Job(file, Settings(n=args.samples))
    summary = Summary(certify_dataset(job, data, out=args.out / "certificates.jsonl"))
    print(summary.text())
    subject = Subject(runs={"network": summary}, data=data, model=file)
    print(write_page(subject, args.out / "report.html"))


if __name__ == "__main__":
    main()

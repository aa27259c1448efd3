"""Certified labels on a device, with the base install alone: `pip install qrobust`.

    python examples/certify_on_device.py MODEL.tflite DATA [--radius 32] [--samples 1000]

DATA is a picture, a folder of pictures, a WAV file, an .npz, ... (pictures need
`qrobust[images]`). Keys are fresh: whoever supplies the inputs cannot know the noise. Certificates
are written as JSON lines, each with its key, so that each can be audited afterwards.
"""

import argparse
import json

from qrobust.certify import Certifier, CertifyError, read_spec
from qrobust.certify.inputs import expected_by, load_inputs


def decide(certificate, labels, needed):
    """What an application does: act on a label that holds, or hold."""
    if certificate.abstained or certificate.radius < needed:
        return "hold: no certified label at the needed radius"
    name = labels[certificate.label] if labels else f"class {certificate.label}"
    return f"act: {name}, certified within {certificate.radius:.1f} {certificate.norm} LSB"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODEL.tflite")
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--radius", type=float, default=32, help="needed, in LSB")
    parser.add_argument("--samples", type=int, default=1000, help="noisy copies an input")
    parser.add_argument("--out", default="decisions.jsonl")
    args = parser.parse_args()
    with open(args.model, "rb") as file:
        model = file.read()
    try:
        data = load_inputs(args.data, lambda: expected_by(model))
        spec = read_spec(model)
        with Certifier(model, key="fresh") as certifier, open(args.out, "a") as log:
            for index, x in enumerate(data.x):
                certificate = certifier.certify(x, n0=50, n=args.samples, index=index)
                log.write(json.dumps(certificate.to_json()) + "\n")
                print(f"input {index}: {decide(certificate, spec.labels, args.radius)}")
    except CertifyError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()

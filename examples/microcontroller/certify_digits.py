"""Certifies digits on an emulated Cortex-M3, from a .tflite to certificates.

    qrobust quickstart
    python examples/microcontroller/certify_digits.py quickstart

Takes the quickstart's model.tflite and data.npz, writes both as C, compiles them for the core, runs
the program under QEMU and compares every certificate with `qrobust.certify` on this computer.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from device import CORES, Certificate, DeviceError, build_core, flash_bytes, run

from qrobust.certify import Certifier, SmoothingSpec, attach_spec, c99, read_spec
from tflite_export.c99 import write
from tflite_export.read import read_graph

_SEED, _PILOT, _ALPHA = 0, 100, "0.001"


def main() -> int:
    """Run the example; the status is 0 when every certificate equals Python's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("quickstart", type=Path, help="folder that `qrobust quickstart` wrote")
    parser.add_argument("--core", choices=CORES, default="cortex-m3")
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("-n", type=int, default=200, help="noisy copies that bound a probability")
    options = parser.parse_args()
    original = (options.quickstart / "model.tflite").read_bytes()
    with np.load(options.quickstart / "data.npz") as data:
        images, labels = data["x"][: options.images], data["y"][: options.images]

    # The radius table travels in the file; the quickstart's has none.
    spec = read_spec(original)
    spec = SmoothingSpec.for_model(
        original, sigma=spec.sigma, noise=spec.noise, tables=((options.n, _ALPHA),)
    )
    model = attach_spec(original, spec)
    with tempfile.TemporaryDirectory() as folder:
        sources = [*write(read_graph(model), folder), *c99.write(model, folder)]
        core = CORES[options.core]
        program = build_core(core, Path(folder))
        for source in sources:
            if source.suffix == ".c":
                print(f"{source.name:20} {flash_bytes([source], core):7,} bytes of flash")
        pixels = images.reshape(len(images), *_shape(model)).astype(np.int16)
        tensors = (pixels + spec.grid.zero_point).astype(np.int8)
        result = run(program, tensors, pilot=_PILOT, seed=_SEED)
    meter = result.meter
    print(
        f"{options.core}: {meter.run:,} instructions an inference, {meter.sample:,} a sample's "
        f"noise, {meter.stack_certify} bytes of stack\n"
    )
    print("image  digit  certified  radius (pixel steps)  votes")
    wrong = 0
    with Certifier(model, seed=_SEED) as certifier:
        for ours, image, label in zip(result.certificates, images, labels, strict=True):
            theirs = certifier.certify(
                image, n0=_PILOT, n=options.n, alpha=_ALPHA, index=ours.index
            )
            wrong += not _equal(ours, theirs)
            named = "-" if ours.label < 0 else str(ours.label)
            print(
                f"{ours.index:5}  {label:5}  {named:>9}  {ours.radius_q16 / 65536:20.2f}  "
                f"{' '.join(map(str, ours.votes))}"
            )
    print(f"\n{wrong} of {len(images)} certificates differ from this computer's")
    return int(wrong > 0)


def _shape(model: bytes) -> tuple[int, ...]:
    return read_graph(model).inputs[0].shape


def _equal(ours: Certificate, theirs: object) -> bool:
    fields = ("label", "candidate", "radius_q16", "votes")
    return all(getattr(ours, name) == getattr(theirs, name) for name in fields)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (DeviceError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)

"""python tests/ondevice/cortex_m/run.py MODEL.tflite INPUTS.npz: every core, integer by integer."""

import argparse
import sys
from pathlib import Path

import numpy as np

# The project ahead of tests/, which has folders of the same names as its packages.
sys.path[:0] = [str(Path(__file__).resolve().parents[depth]) for depth in (3, 2)]

from ondevice.cache import default_cache  # noqa: E402
from ondevice.cli import exit_status, table  # noqa: E402
from ondevice.compare import compare_targets  # noqa: E402
from ondevice.cortex_m.certificates import compare_certificates  # noqa: E402
from ondevice.cortex_m.core import CORES, CortexM  # noqa: E402


def main() -> int:
    """Compares outputs, and certificates where `--certify` asks; see `--help`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("inputs", type=Path, help="x: integers on the model's input grid")
    parser.add_argument("--cores", nargs="+", choices=CORES, default=CORES)
    parser.add_argument("--limit", type=int, help="use the first so many inputs")
    parser.add_argument(
        "--certify", action="store_true", help="certificates, too; the file holds a radius table"
    )
    parser.add_argument("--pilot", type=int, default=100)
    options = parser.parse_args()
    with np.load(options.inputs) as archive:
        pixels = archive["x"][: options.limit]
    model = options.model.read_bytes()
    tensors = _tensors(model, pixels)
    cores = [CortexM(name) for name in options.cores]
    found = list(compare_targets(cores, options.model, tensors, default_cache()))
    print(table(found))
    status = exit_status(found)
    if options.certify and status == 0:
        for name in options.cores:
            counted = compare_certificates(name, model, pixels, pilot=options.pilot)
            print(
                f"{name}: {counted.certificates} of {counted.images} certificates differ",
                flush=True,
            )
            status = status or int(counted.certificates > 0)
    return status


def _tensors(model: bytes, pixels: np.ndarray) -> np.ndarray:
    """Grid integers as the model's int8 tensor has them."""
    from qrobust.certify.file.model_file import load_model

    file = load_model(model)
    shape = (len(pixels), *file.shape)
    return (pixels.reshape(shape).astype(np.int16) + file.grid.zero_point).astype(np.int8)


if __name__ == "__main__":
    sys.exit(main())

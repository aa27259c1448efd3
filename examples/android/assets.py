"""What the phone samples need of a network: C sources, tables, the model and one input.

python examples/android/assets.py MODEL.tflite DATA.npz [--index 0] [-n 1000]
"""

import argparse
import struct
from pathlib import Path

import numpy as np

from qrobust.certify import Certifier, SmoothingSpec, attach_spec, c99

MAIN = Path(__file__).resolve().parent / "app" / "src" / "main"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="with a smoothing spec, int8 inputs and outputs")
    parser.add_argument("data", type=Path, help="DATA.npz with x")
    parser.add_argument("--index", type=int, default=0, help="of the input")
    parser.add_argument("-n", type=int, default=1000, help="noisy copies")
    parser.add_argument("--sources", type=Path, default=MAIN / "cpp")
    parser.add_argument("--assets", type=Path, default=MAIN / "assets")
    options = parser.parse_args()
    with np.load(options.data) as data, Certifier(options.model) as certifier:
        tensor = certifier.prepare(data["x"][options.index]).tensor.astype(np.int8)
        file, spec = certifier.file, certifier.spec
    tables = ((options.n, "0.001"),)
    spec = SmoothingSpec.for_model(options.model, sigma=spec.sigma, tables=tables)
    words = c99.table_words(
        spec, coordinates=file.coordinates, classes=file.classes, table=spec.tables[0]
    )
    files = {
        "model.tflite": attach_spec(options.model, spec),
        "tables.bin": struct.pack(f"<{len(words)}I", *words),
        "input.bin": tensor.tobytes(),
    }
    for folder in (options.sources, options.assets):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (options.assets / name).write_bytes(content)
    for name, text in c99.certifier_sources(c99.NOISE).items():
        (options.sources / name).write_text(text)
    print(*(options.assets / name for name in files), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

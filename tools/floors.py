"""Install the lowest versions that setup.cfg allows and use them: ``python tools/floors.py base``.

Every lower bound of the base install and of the extras named becomes a pin; pip finds the rest. In
a new virtual environment the shipped digits model is then certified (base), and with ``train`` a
small network is quantized, trained, exported and compared on every runtime.
"""

import argparse
import configparser
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BASE = """
import numpy as np
from qrobust.certify import Certifier
x = np.zeros((8, 8, 1), np.int64)
with Certifier("models/digits/model.tflite", sigma=64, seed=0) as certifier:
    certificate = certifier.certify(x, n0=100, n=1000, alpha="0.001")
print("certified:", certificate.label, certificate.radius)
"""
_TRAIN = """
import keras, numpy as np, qrobust, tflite_export
model = keras.Sequential([
    keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 256),
    keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(10),
])
x = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1)).astype("float32")
model = qrobust.quantize(model, weight_bits=4, activation_bits=4, calibrate=x)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss)
model.fit(x, np.arange(64) % 10, verbose=0)
parity = tflite_export.check_parity(model, tflite_export.export(model), x)
assert parity.is_exact, parity
print(parity)
"""


def pins(extras: list[str]) -> list[str]:
    """``name==lowest`` for every requirement of the base install and of some extras."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].splitlines()
    for extra in extras:
        lines += config["options.extras_require"][extra].splitlines()
    found = [re.match(r"([\w.-]+)(?:\[.*\])?(?:>=|==)([^,;\s]+)", line.strip()) for line in lines]
    return sorted({f"{match[1]}=={match[2]}" for match in found if match})


def main() -> int:
    """Install, run, and pass on the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("extras", nargs="*", metavar="EXTRA", help="such as train; none for base")
    parser.add_argument("--python", default=sys.executable, help="the interpreter to try")
    parser.add_argument("--newest", action="store_true", help="no pins: the upper ends instead")
    options = parser.parse_args()
    extras = [extra for extra in options.extras if extra != "base"]
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv/bin/python"
        subprocess.run([options.python, "-m", "venv", python.parents[1]], check=True)
        constraints = Path(folder) / "pins.txt"
        lowest = [] if options.newest else pins(extras)
        constraints.write_text("\n".join(lowest) + "\n")
        print(*lowest, sep="\n")
        wanted = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
        install = [python, "-m", "pip", "install", "-q", wanted, "-c", constraints]
        programs = [_BASE, *([_TRAIN] if "train" in extras else [])]
        for command in (install, *([python, "-c", program] for program in programs)):
            if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Operators that the Ethos-U compiler leaves to the CPU: CONFIG MODEL INPUT.npy OUTPUT.npy."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

config, model, _, outputs = sys.argv[1:]
vela = Path(sys.executable).parent / "vela"
command = [str(vela), model, f"--accelerator-config={config}", f"--output-dir={outputs}.vela"]
done = subprocess.run(command, capture_output=True, text=True, check=False)
found = re.search(r"CPU operators = (\d+)", done.stdout)
if done.returncode or found is None:
    raise SystemExit(f"vela: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
np.save(outputs, int(found[1]))

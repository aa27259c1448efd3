"""What the two wasm targets share: the npm packages and what LiteRT.js can take."""

import re
import shutil
from pathlib import Path

import numpy as np

from . import pins
from .cache import cached_folder
from .command import run_command
from .model_file import Signature, with_fixed_batch
from .runtime import Unavailable, Unsupported

_NPM_TIMEOUT_S = 600
_OLDEST_NODE = 18
LOCKED = Path(__file__).parent / "npm"
_PACKAGES = {
    "@litertjs/core": pins.LITERTJS,
    "@litertjs/wasm-utils": pins.LITERTJS_WASM_UTILS,
}


def install_litertjs(cache: Path) -> Path:
    """Returns a `node_modules` folder with LiteRT.js (about 40 MB).

    Raises:
        Unavailable: When npm is missing or fails.
    """

    def build(folder: Path) -> None:
        if shutil.which("npm") is None:
            raise Unavailable("npm is not installed; install Node.js with npm")
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(LOCKED / name, folder / name)
        # By the lock file: other bytes than those of its `integrity` are refused.
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        run_command(command, timeout_s=_NPM_TIMEOUT_S, cwd=folder)

    name = "-".join(["litertjs.locked", *_PACKAGES.values()])
    return cached_folder(cache, name, build) / "node_modules"


def node_version() -> str:
    """Returns the version of Node.js, such as "20.20.2".

    Raises:
        Unavailable: When it is missing or too old.
    """
    if shutil.which("node") is None:
        raise Unavailable("Node.js is not installed")
    version = run_command(["node", "--version"], timeout_s=60).strip().removeprefix("v")
    major = re.match(r"\d+", version)
    if major is None or int(major.group()) < _OLDEST_NODE:
        raise Unavailable(f"Node.js {_OLDEST_NODE} or newer is needed. Found: {version}")
    return version


def wasm_model(model: Path, signature: Signature) -> bytes:
    """Returns the model's bytes as LiteRT.js takes them.

    Raises:
        Unsupported: When an end of the model is not uint8.
    """
    for what, dtype in (("input", signature.input_dtype), ("output", signature.output_dtype)):
        if dtype != np.uint8:
            raise Unsupported(
                f"LiteRT.js has no {dtype} tensors and the {what} of {model.name} is {dtype}; "
                "export the model with uint8 input and output"
            )
    return with_fixed_batch(model.read_bytes())

"""What is installed is what was pinned, to the byte."""

import json
import re

import pytest

from . import pins
from .arm64_rootfs import hashed_requirements
from .litertjs import LOCKED
from .runtime import Unavailable

WHEELS = {"ai-edge-litert": pins.LITERT, "numpy": pins.NUMPY, "tqdm": pins.TQDM}
PACKAGES = {
    "@litertjs/core": pins.LITERTJS,
    "@litertjs/wasm-utils": pins.LITERTJS_WASM_UTILS,
}


def test_every_wheel_has_a_hash():
    lines = hashed_requirements(WHEELS).splitlines()
    assert len(lines) == len(WHEELS)
    assert all(re.fullmatch(r"[\w-]+==[\w.]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)


def test_a_version_without_a_hash_is_not_installed():
    with pytest.raises(Unavailable, match="no hash of numpy==1.0"):
        hashed_requirements({**WHEELS, "numpy": "1.0"})


def test_the_lock_file_has_the_pinned_packages_and_their_integrity():
    assert json.loads((LOCKED / "package.json").read_text())["dependencies"] == PACKAGES
    lock = json.loads((LOCKED / "package-lock.json").read_text())
    found = {
        name.removeprefix("node_modules/"): entry
        for name, entry in lock["packages"].items()
        if name
    }
    assert {name: entry["version"] for name, entry in found.items()} == PACKAGES
    assert all(entry["integrity"].startswith("sha512-") for entry in found.values())

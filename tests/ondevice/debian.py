"""Installs Debian packages where that is possible."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from .command import run_command
from .runtime import Unavailable

_APT_TIMEOUT_S = 900


def find_or_install(package: str, candidates: Sequence[str]) -> str:
    """Returns the first of `candidates` that exists, installing `package` when none does.

    Args:
        package: The Debian package that holds one of the candidates.
        candidates: Names of commands, or absolute paths of files.

    Raises:
        Unavailable: When it is missing and this is not a Debian system, the user is not root, or
            apt-get failed.
    """
    found = _first_existing(candidates)
    if found:
        return found
    missing = f"{candidates[0]} (Debian package {package}) is not installed"
    if shutil.which("apt-get") is None:
        raise Unavailable(f"{missing}, and there is no apt-get to install it")
    if os.geteuid() != 0:
        raise Unavailable(f"{missing}; run `apt-get install {package}` as root")
    _apt_install(package)
    found = _first_existing(candidates)
    if not found:
        raise Unavailable(f"apt-get installed {package}, but {candidates[0]} is not there")
    return found


def _first_existing(candidates: Sequence[str]) -> str | None:
    for candidate in candidates:
        if candidate.startswith("/"):
            if Path(candidate).exists():
                return candidate
        elif found := shutil.which(candidate):
            return found
    return None


def _apt_install(package: str) -> None:
    # Another install on this machine may hold dpkg's lock for a while.
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    install = [*apt, "install", "-y", "--no-install-recommends", package]
    try:
        run_command(install, timeout_s=_APT_TIMEOUT_S, extra_env=quiet)
    except Unavailable:  # an install that was cut off, or no package lists yet, or old ones
        run_command(["dpkg", "--configure", "-a"], timeout_s=_APT_TIMEOUT_S, extra_env=quiet)
        run_command([*apt, "update"], timeout_s=_APT_TIMEOUT_S, extra_env=quiet)
        run_command(install, timeout_s=_APT_TIMEOUT_S, extra_env=quiet)

"""Builds the folder in which an ARM64 Python with LiteRT runs under qemu-user."""

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from . import pins
from .arm64_cpus import CPUS
from .command import run_command
from .debian import find_or_install
from .runtime import Unavailable

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What the emulated Python can load; the rest of a minimal Debian is never started.
_UNPACKED = ("lib", "python3", "zlib1g")
_WHEEL_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
# To be raised when `build_rootfs` builds something else from the same versions.
LAYOUT = 2

# Starts the emulated Python of one core. It is a program of this machine, so the emulated Python
# can start itself again through it (`subprocess`, `multiprocessing`).
_LAUNCHER = """\
#!/bin/sh
here=$(dirname -- "$(readlink -f -- "$0")")
ONDEVICE_PYTHON=$here/python-{cpu}
export ONDEVICE_PYTHON
exec "$(command -v qemu-aarch64-static || command -v qemu-aarch64)" -cpu {cpu} \\
  -L "$here/sysroot-{cpu}" "$here/rootfs/usr/bin/python{python}" "$@"
"""
_SITECUSTOMIZE = """\
import os
import sys

sys.executable = os.environ["ONDEVICE_PYTHON"]
"""

_DEBOOTSTRAP_TIMEOUT_S = 900
_UNPACK_TIMEOUT_S = 120
_PIP_TIMEOUT_S = 900


def build_rootfs(folder: Path, versions: Mapping[str, str]) -> None:
    """Fills `folder` with `rootfs`, `site`, and a `sysroot-CPU` and a `python-CPU` for each core.

    Nothing in it is started as a program of this machine, so no root rights are needed: the
    packages are unpacked, not installed.

    Args:
        folder: An empty folder.
        versions: Python packages to install, name to version.

    Raises:
        Unavailable: When a tool is missing or a download fails.
    """
    _unpack_debian(folder / "rootfs")
    _install_wheels(folder / "site", versions)
    (folder / "site" / "sitecustomize.py").write_text(_SITECUSTOMIZE)
    for cpu in CPUS.values():
        launcher = launcher_of(folder, cpu.qemu)
        launcher.write_text(_LAUNCHER.format(cpu=cpu.qemu, python=pins.DEBIAN_PYTHON))
        launcher.chmod(0o755)
        sysroot = folder / f"sysroot-{cpu.qemu}"
        (sysroot / "proc").mkdir(parents=True)
        (sysroot / "proc" / "cpuinfo").write_text(cpu.cpuinfo())
        # qemu looks here first for every path. Only what the loader needs is offered, so that
        # /tmp, /home and the rest always mean this machine's. Relative links survive a rename.
        for name in ("etc", "lib", "usr"):
            (sysroot / name).symlink_to(Path("..", "rootfs", name))


def launcher_of(folder: Path, cpu: str) -> Path:
    """Returns the program that starts the emulated Python of a core."""
    return folder / f"python-{cpu}"


def _unpack_debian(rootfs: Path) -> None:
    debootstrap = find_or_install("debootstrap", ["debootstrap", "/usr/sbin/debootstrap"])
    dpkg_deb = find_or_install("dpkg", ["dpkg-deb"])
    keyring = find_or_install("debian-archive-keyring", [_KEYRING])
    download = rootfs.with_name("download")
    run_command(
        [
            debootstrap,
            "--download-only",
            "--arch=arm64",
            "--variant=minbase",
            "--include=python3,libstdc++6",
            f"--keyring={keyring}",
            "--force-check-gpg",
            pins.DEBIAN_SUITE,
            str(download),
        ],
        timeout_s=_DEBOOTSTRAP_TIMEOUT_S,
    )
    packages = sorted(download.glob("var/cache/apt/archives/*.deb"))
    if not packages:
        raise Unavailable("debootstrap downloaded no packages")
    rootfs.mkdir()
    for package in packages:
        if package.name.startswith(_UNPACKED):
            run_command([dpkg_deb, "-x", str(package), str(rootfs)], timeout_s=_UNPACK_TIMEOUT_S)
    shutil.rmtree(download)


def _install_wheels(site: Path, versions: Mapping[str, str]) -> None:
    platforms = [option for name in _WHEEL_PLATFORMS for option in ("--platform", name)]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(hashed_requirements(versions))
        file.flush()
        run_command(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--target", str(site), "--no-deps", "--no-compile", "--only-binary=:all:"),
                *("--implementation", "cp", "--python-version", pins.DEBIAN_PYTHON, *platforms),
                *("--require-hashes", "-r", file.name),
            ],
            timeout_s=_PIP_TIMEOUT_S,
        )


def hashed_requirements(versions: Mapping[str, str]) -> str:
    """Returns lines of a requirements file that accept one wheel each.

    Raises:
        Unavailable: When `pins` has no hash for a version.
    """
    lines = []
    for name, version in versions.items():
        pinned = f"{name}=={version}"
        if pinned not in pins.WHEEL_SHA256:
            raise Unavailable(f"no hash of {pinned} for ARM64: add it to tests/ondevice/pins.py")
        lines.append(f"{pinned} --hash=sha256:{pins.WHEEL_SHA256[pinned]}\n")
    return "".join(lines)

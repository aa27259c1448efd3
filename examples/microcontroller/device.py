"""Builds the firmware for this computer or an emulated Cortex-M, runs it, reads what it prints.

Needs the Debian packages gcc-arm-none-eabi, libnewlib-arm-none-eabi and qemu-system-arm for the
cores; only a C compiler for this computer, gcc-aarch64-linux-gnu and qemu-user-static for ARM64.
"""

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
FIRMWARE = HERE / "firmware" / "main.c"
DECISIONS = ("certified", "abstained", "gave_up", "undecided")
CERTIFIER = ("qrobust_certify.c", "certifier_tables.c")
#: Of a file that counts views.
VIEWS = ("qrobust_views.c", "certifier_tables.c")
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")

_MAGIC = 0x4A425251
_STACK = 8192


class DeviceError(RuntimeError):
    """A compiler or an emulator that failed; the text ends with what it said."""


@dataclass(frozen=True)
class Core:
    """A Cortex-M and the board that QEMU emulates around it.

    Attributes:
        cpu: as the compiler calls it.
        machine: as QEMU calls the board.
        flash: address of the program.
        ram: address of the memory.
    """

    cpu: str
    machine: str
    flash: int = 0
    ram: int = 0x20000000


CORES = {
    "cortex-m3": Core("cortex-m3", "mps2-an385"),
    "cortex-m4": Core("cortex-m4", "mps2-an386"),
    "cortex-m7": Core("cortex-m7", "mps2-an500"),
    "cortex-m33": Core("cortex-m33", "mps2-an505", 0x10000000, 0x38000000),
    "cortex-m55": Core("cortex-m55", "mps3-an547"),
}


@dataclass(frozen=True)
class Certificate:
    """What the device says of one image; fields as in ``qrobust.certify.Certificate``."""

    index: int
    decision: int
    label: int
    candidate: int
    radius_q16: int
    samples: int
    votes: tuple[int, ...]

    @property
    def decision_name(self) -> str:
        """As ``qrobust certify`` calls it."""
        return DECISIONS[self.decision]


@dataclass(frozen=True)
class Meter:
    """What the device measured; zeros on this computer.

    Attributes:
        run: instructions of one inference.
        sample: instructions of the noise of one sample.
        stack_run: bytes of stack that an inference takes.
        stack_certify: bytes of stack that a certificate takes, inference included.
    """

    run: int
    sample: int
    stack_run: int
    stack_certify: int


@dataclass(frozen=True)
class Result:
    """Outputs (none of a file that counts views) and certificates of all images, in order."""

    outputs: NDArray[np.int8]
    certificates: tuple[Certificate, ...]
    meter: Meter


@dataclass(frozen=True)
class Program:
    """A program to run: its file and the command before it."""

    path: Path
    launcher: tuple[str, ...] = field(default=())


def build_core(core: Core, folder: Path, *, optimize: str = "-O2") -> Program:
    """Compile model, certifier (where the folder has one) and firmware for a core.

    Args:
        core: a value of ``CORES``.
        folder: holds ``model.c``; gets ``CPU.elf``.
        optimize: the compiler's level.
    """
    board = HERE / "board"
    target = folder / f"{core.cpu}.elf"
    _run(
        [
            "arm-none-eabi-gcc",
            *("-std=c99", optimize, f"-mcpu={core.cpu}", "-mthumb", "-mfloat-abi=soft"),
            *WARNINGS,
            *("-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"),
            *("-nostartfiles", "-specs=nosys.specs", "-T", str(board / "link.ld")),
            f"-Wl,--defsym=FLASH_AT={core.flash},--defsym=RAM_AT={core.ram}",
            f"-Wl,--defsym=STACK={_STACK},--no-warn-rwx-segments",
            *_includes(folder, board),
            *map(str, _sources(folder)),
            *map(str, sorted(board.glob("*.c"))),
            *("-o", str(target)),
        ]
    )
    command = (
        *("qemu-system-arm", "-M", core.machine, "-nographic", "-monitor", "none"),
        *("-serial", "none", "-chardev", "stdio,id=console"),
        *("-semihosting-config", "enable=on,target=native,chardev=console"),
        *("-icount", "shift=0", "-kernel"),
    )
    return Program(target, command)


def build_host(
    folder: Path, *, compiler: str = "gcc", flags: Sequence[str] = ("-O2",), launcher: str = ""
) -> Program:
    """Compile the same program for this computer, or another that ``launcher`` emulates."""
    target = folder / f"firmware-{compiler}"
    host = HERE / "host" / "host.c"
    board = HERE / "board"  # its headers
    _run(
        [
            *(compiler, "-std=c99", *WARNINGS, *flags, *_includes(folder, board)),
            *map(str, (*_sources(folder), host)),
            *("-o", str(target)),
        ]
    )
    return Program(target, (launcher,) if launcher else ())


def run(
    program: Program,
    images: NDArray[np.int8],
    *,
    pilot: int = 0,
    sequential: bool = False,
    seed: int = 0,
    first: int = 0,
    timeout_s: float = 600,
) -> Result:
    """Run images through a program.

    Args:
        program: what a build returned.
        images: int8[count, ...], tensor values; of a file that counts views, of what it is asked
            about.
        pilot: samples that choose the class; 0 for inference only. Of views, any other number.
        sequential: certify by the sequential test of the tables, not by their radius table.
        seed: of the random streams.
        first: index of the first image in the streams' key.
        timeout_s: seconds after which it is ended.
    """
    low, high = seed & 0xFFFFFFFF, seed >> 32
    head = struct.pack("<7I", _MAGIC, len(images), first, low, high, pilot, sequential)
    job = program.path.parent / "job.bin"
    job.write_bytes(head + np.ascontiguousarray(images, np.int8).tobytes())
    command = [*program.launcher, str(program.path)]
    return _parsed(_run(command, cwd=program.path.parent, timeout_s=timeout_s))


def flash_bytes(sources: Sequence[Path], core: Core, *, optimize: str = "-O2") -> int:
    """Code and constants of some sources, as the compiler makes them for a core."""
    total = 0
    for source in sources:
        target = source.with_suffix(f".{core.cpu}.o")
        options = ("-std=c99", optimize, f"-mcpu={core.cpu}", "-mthumb", "-mfloat-abi=soft", "-c")
        _run(["arm-none-eabi-gcc", *options, str(source), "-o", str(target)])
        sizes = _run(["arm-none-eabi-size", str(target)]).splitlines()[1].split()
        total += int(sizes[0]) + int(sizes[1])
    return total


def _sources(folder: Path) -> list[Path]:
    certifier = sorted({folder / name for name in (*CERTIFIER, *VIEWS)})
    return [FIRMWARE, folder / "model.c", *(source for source in certifier if source.exists())]


def _includes(folder: Path, board: Path) -> list[str]:
    kinds = (("-DWITH_CERTIFIER", CERTIFIER[0]), ("-DWITH_VIEWS", VIEWS[0]))
    certifier = [option for option, source in kinds if (folder / source).exists()]
    return [f"-I{folder}", f"-I{board}", *certifier]


def _run(command: Sequence[str], *, cwd: Path | None = None, timeout_s: float = 600) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, timeout=timeout_s, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise DeviceError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"{command[0]} took over {timeout_s:g} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise DeviceError(f"{command[0]} ended with status {done.returncode}: {said}")
    return done.stdout


def _parsed(text: str) -> Result:
    lines = [line.split() for line in text.splitlines()]
    rows = {kind: [] for kind in ("outputs", "certificate", "meter")}
    for kind, *numbers in lines:
        rows[kind].append([int(number) for number in numbers])
    million, run_ticks, sample_ticks, stack_run, stack_certify = rows["meter"][0]
    return Result(
        np.array([row[1:] for row in rows["outputs"]], np.int8),
        tuple(Certificate(*row[:6], tuple(row[6:])) for row in rows["certificate"]),
        Meter(
            run_ticks * 1_000_000 // max(million, 1),
            sample_ticks * 1_000_000 // max(million, 1),
            stack_run,
            stack_certify,
        ),
    )

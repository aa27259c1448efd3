"""Walks the roads of docs/roads, each from an empty folder, and prints commands and minutes.

    python benchmarks/roads.py [NAME ...] [--tiny] [--record roads]

A page is a program: a fenced block with a title is a file to write, a block of ``sh`` is run.
``<!-- short: OLD => NEW -->`` before a block says what a short walk does (``--tiny``,
as in the tests); ``<!-- leaves: FILE ... -->`` what has to be there in the end.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import results
from tabulate import tabulate

FOLDER = results.PROJECT / "docs" / "roads"
ROADS = ("keras", "edge", "microcontroller", "researcher")
_BLOCK = re.compile(
    r'((?:^<!-- short: .*? -->\n+)*)^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.M | re.S
)
_SHORT = re.compile(r"<!-- short: (.*?) => (.*?) -->")
_LEAVES = re.compile(r"^<!-- leaves: (.*?) -->$", re.M)


@dataclass(frozen=True)
class Step:
    """A block of a page.

    Attributes:
        file: to write; "" for lines to run.
        text: of the file, or the lines.
    """

    file: str
    text: str

    @property
    def commands(self) -> int:
        """How many lines a reader types."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return 0 if self.file else sum(bool(line.strip()) for line in lines)


def steps_of(text: str, *, short: bool) -> list[Step]:
    """The blocks of a page in order; `ValueError` where a short form changes nothing."""
    found = []
    for changes, language, title, block in _BLOCK.findall(text):
        for old, new in _SHORT.findall(changes):
            if old not in block:
                raise ValueError(f"'{old}' is to be shortened and does not stand in its block")
            block = block.replace(old, new) if short else block
        if title or language == "sh":
            found.append(Step(title, block))
    return found


def walk(
    name: str, folder: Path, *, short: bool, run: Callable[..., None] | None = None
) -> list[Step]:
    """Walk a road in an empty folder; `RuntimeError` names what fails.

    Args:
        name: of the page.
        folder: where its files are written and its lines run.
        short: take the short forms.
        run: what runs the lines of a block, given them and a runner of processes; each block is a
            shell by default.
    """
    text = (FOLDER / f"{name}.md").read_text()
    steps = steps_of(text, short=short)
    programs = folder.parent / f"{folder.name}_bin"
    programs.mkdir()
    for program, words in (("python", ""), ("qrobust", "-m qrobust")):
        (programs / program).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (programs / program).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(results.PROJECT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    for step in steps:
        if step.file:
            (folder / step.file).write_text(step.text)
            continue
        shell = partial(_shell, name, folder, environment)
        shell(step.text) if run is None else run(step.text, shell)
    for path in (path for line in _LEAVES.findall(text) for path in line.split()):
        if not (folder / path).exists():
            raise RuntimeError(f"{name}.md: the road leaves no {path}")
    return steps


def _shell(name: str, folder: Path, environment: dict[str, str], lines: str) -> None:
    words = ["bash", "-euo", "pipefail", "-c", lines]
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
        raise RuntimeError(f"{name}.md, exit status {done.returncode}:\n{lines}\n{said}")


def main() -> int:
    """Walk and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ROADS)}")
    results.add_arguments(parser)
    args = parser.parse_args()
    counts, speeds = [], []
    for name in args.names or ROADS:
        began, cpu = time.perf_counter(), _cpu_seconds()
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, name)
            folder.mkdir()
            steps = walk(name, folder, short=args.tiny)
            lines = sum(step.text.count("\n") for step in steps if step.file)
        minutes = (time.perf_counter() - began) / 60
        row = {"road": name, "commands": sum(step.commands for step in steps)}
        counts.append({**row, "files to write": sum(bool(s.file) for s in steps), "lines": lines})
        used = (_cpu_seconds() - cpu) / 60
        speeds.append({"road": name, "minutes": round(minutes, 1), "of CPU": round(used, 1)})
        print(tabulate([{**counts[-1], **speeds[-1]}], headers="keys"), flush=True)
    results.record(args.record, counts=counts, speeds=speeds)
    return 0


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.fuzz.run``: many inputs through every target; exit status 1 on a finding.

Each target runs in a process of its own with a memory limit. That it dies, that it stands still
and that it raises what it should not are findings; the run goes on behind them. A finding's input
is written to ``--out`` and comes back with ``--seed`` and its number.
"""

import argparse
import contextlib
import faulthandler
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.plants import PLANTS
from tests.fuzz.registry import TARGETS

_MEMORY = 3 << 30
_START_S = 120


@dataclass
class Outcome:
    """What a run of one target gave."""

    inputs: int = 0
    past: int = 0
    seconds: float = 0.0
    findings: list[tuple[str, int, str]] = field(default_factory=list)


def fuzz(name, count, *, seed=0, plant=None, limit_s=20, most_findings=20):
    """Run one target.

    Args:
        name: of the target.
        count: inputs.
        seed: of the inputs.
        plant: a planted fault's name.
        limit_s: seconds without a sign of life that are a hang.
        most_findings: after which it stops.
    """
    outcome, began, first = Outcome(), time.perf_counter(), 0
    while first < count and len(outcome.findings) < most_findings:
        first = _stretch(name, first, count, seed, plant, limit_s, most_findings, outcome)
    outcome.seconds = time.perf_counter() - began
    return outcome


def _stretch(name, first, count, seed, plant, limit_s, most_findings, outcome):
    """One process until it ends; returns the number to go on with."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            _work(name, first, count, seed, plant, writing)
            os._exit(0)
        except BaseException as error:
            _say(writing, "exception", f"outside of an input: {error!r}")
            os._exit(1)
    os.close(writing)
    number, rest, patience = None, b"", _START_S
    hung = False
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while len(outcome.findings) < most_findings:
            if not select.select([pipe], [], [], patience)[0]:
                hung = True
                break
            patience = limit_s
            data = pipe.read(1 << 16)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                kind, *values = json.loads(line)
                if kind == "start":
                    number = values[0]
                elif kind == "done":
                    outcome.inputs += 1
                    outcome.past += values[0]
                    number = None
                else:
                    outcome.inputs += 1
                    outcome.findings.append((kind, number, values[0]))
                    number = None
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if len(outcome.findings) >= most_findings:
        return count
    if hung:
        outcome.inputs += 1
        outcome.findings.append(("hang", number, f"no sign of life for {patience} s"))
    elif code not in (0, -signal.SIGKILL) or number is not None:
        outcome.inputs += 1
        outcome.findings.append(("crash", number, f"the process ended with {code}"))
    else:
        return count
    return count if number is None else number + 1


def _work(name, first, count, seed, plant, writing):
    faulthandler.disable()  # a planted crash is no news
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silent = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(silent, fd)

    planted = PLANTS[plant][0]() if plant else contextlib.nullcontext()
    target = TARGETS[name]()
    with planted:
        for number in range(first, count):
            _say(writing, "start", number)
            data = target.input(seed, number)
            try:
                past = target.judge(data)
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{Path(where.filename).name}:{where.lineno}"
                text = f"{type(error).__name__} at {place}: {error}"
                _say(writing, "exception", text[:500])
            else:
                _say(writing, "done", bool(past))


def _say(writing, *words):
    os.write(writing, json.dumps(words).encode() + b"\n")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--inputs", type=int, default=8500, help="of each target (default: 8500)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plant", choices=sorted(PLANTS), action="append", default=[])
    parser.add_argument("--out", type=Path, help="folder for the inputs of findings")
    args = parser.parse_args(arguments)
    print(f"{'target':<12}{'inputs':>8}{'past 1st check':>16}{'findings':>10}{'s':>8}")
    names = args.targets or list(TARGETS)
    runs = [(name, None) for name in names] if not args.plant else []
    runs += [(PLANTS[plant][1], plant) for plant in args.plant]
    failed, total = False, 0
    for name, plant in runs:
        outcome = fuzz(name, args.inputs, seed=args.seed, plant=plant)
        total += outcome.inputs
        past = f"{outcome.past} ({outcome.past / max(outcome.inputs, 1):.0%})"
        shown = name if plant is None else f"{name}+{plant}"
        print(
            f"{shown:<12}{outcome.inputs:>8}{past:>16}{len(outcome.findings):>10}"
            f"{outcome.seconds:>8.0f}",
            flush=True,
        )
        for kind, number, text in outcome.findings:
            print(f"  {kind}, input {number}: {text}")
            if args.out is not None and number is not None:
                args.out.mkdir(parents=True, exist_ok=True)
                content = TARGETS[name]().input(args.seed, number)
                (args.out / f"{name}-{number}").write_bytes(content)
        found = any(kind == PLANTS[plant][2] for kind, *_ in outcome.findings) if plant else False
        failed |= not found if plant else bool(outcome.findings)
    print(f"{total} inputs")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.fuzz.commands FILE...``: files through every command that reads one.

Each ``.tflite`` goes through inspect, certify, audit, verify, parity and attack, each ``.npz``
through certify, verify and attack. Wanted is status 2 and one line; a file that is accepted says
so. The command's own process is one child that runs all of it: that it dies or stands still, a
traceback, a slow refusal and memory are findings. Exit status 1 where there are any.
"""

import argparse
import contextlib
import io
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

from qrobust.certify import CertifyError
from qrobust.certify.file.metadata import read_metadata
from qrobust.certify.file.smoothing_spec import METADATA_NAME

MODELS = Path(__file__).parents[2] / "models" / "digits"
MODEL = MODELS / "model.tflite"
REFUSED, ACCEPTED, BAD = "refused", "accepted", "bad"
#: One input of the shapes that the corpus' networks have; any other is refused for its shape.
SHAPE = (8, 8, 1)
SLOW_S = 20
MOST_KIB = 200 << 10


def commands(path, folder, shape=SHAPE):
    """Command lines for a file, name -> words; results go to a folder."""
    data, keras = folder / "d.npz", MODELS / "model.keras"
    if not data.exists():
        x = np.random.default_rng(0).integers(0, 17, (3, *shape)).astype(np.uint8)
        np.savez(data, x=x, y=np.arange(3))
    model = path
    if path.suffix == ".npz":
        model, data = MODEL, path
    lines = {
        "certify": ["certify", model, data, "--out", folder / "c.jsonl", "--n", 200, "--quiet"],
        "verify": ["verify", model, data, "--out", folder / "v.jsonl", "--norm", "linf", "--quiet"],
        "attack": ["attack", model, data, "--out", folder / "a.json", "--images", 2],
    }
    lines["certify"] += ["--limit", 2, *(() if has_spec(model) else ("--sigma", 20))]
    lines["verify"] += ["--radius", 1, "--limit", 1, "--budget", 50]
    if path.suffix != ".npz":
        journal = MODELS / "certificates.jsonl"
        lines |= {
            "inspect": ["inspect", model],
            "audit": ["audit", journal, model, data, "--quiet"],
            "parity": ["parity", keras, model, "--inputs", 5],
        }
    return {name: [str(word) for word in words] for name, words in lines.items()}


def has_spec(path):
    """Whether a file has a smoothing spec, good or bad: it need not be given a sigma."""
    try:
        return read_metadata(path.read_bytes(), METADATA_NAME) is not None
    except CertifyError:
        return False


def judged(words):
    """Run one command line here; returns what it gave and why, in a line."""
    from qrobust import cli

    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = cli.main(words)
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return BAD, f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {error}"
    lines = err.getvalue().splitlines()
    if status != 2:
        kind = ACCEPTED if status in (0, 1) and "Traceback" not in err.getvalue() else BAD
        return kind, f"status {status} {lines[-1:]}"
    if len(lines) != 1 or not lines[0].startswith("error: ") or not lines[0].isprintable():
        return BAD, f"{len(lines)} lines on stderr: {lines[:2]}"
    return REFUSED, lines[0]


def run(paths, names, shape=SHAPE):
    """Yield (file, command, kind, text, seconds, KiB that this process grew by) of each."""
    with tempfile.TemporaryDirectory() as made:
        # Libraries load with a good file, and are nobody's growth.
        for name, words in commands(MODEL, Path(made)).items():
            if name in names:
                judged(words)
    for path in paths:
        with tempfile.TemporaryDirectory() as made:
            for name, words in commands(path, Path(made), shape).items():
                if name not in names:
                    continue
                before, began = peak_kib(), time.perf_counter()
                kind, text = judged(words)
                seconds, grown = time.perf_counter() - began, peak_kib() - before
                if seconds > SLOW_S or grown > MOST_KIB:
                    kind, text = BAD, f"{seconds:.1f} s, {grown >> 10} MiB more: {text}"
                yield path, name, kind, text, seconds, grown


def peak_kib():
    """Most memory that this process has had; its children are not in it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.commands", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--commands", nargs="+", help="of them (default: all)")
    parser.add_argument("--shape", nargs="+", type=int, default=SHAPE, help="of one input")
    parser.add_argument("--all", action="store_true", help="print every line, not only findings")
    args = parser.parse_args(arguments)
    names = args.commands or list(commands(MODEL, Path(tempfile.mkdtemp())))
    child = os.fork()
    if child == 0:
        faulty = report(args, names)
        sys.stdout.flush()
        os._exit(int(faulty))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        print(f"the process of the commands ended with {signal.Signals(-code).name}")
    return int(code != 0)


def report(args, names):
    """Run, print, and return whether there is a finding."""
    counts, slowest, most = {name: Counter() for name in names}, Counter(), Counter()
    for path, name, kind, text, seconds, grown in run(args.files, names, tuple(args.shape)):
        counts[name][kind] += 1
        slowest[name] = max(slowest[name], seconds)
        most[name] = max(most[name], grown)
        if args.all or kind != REFUSED:
            print(f"{kind}: {name} {path.name}: {text[:300]}", flush=True)
    print(f"{'command':<10}{REFUSED:>9}{ACCEPTED:>10}{BAD:>5}{'slowest, s':>12}{'MiB more':>10}")
    for name, found in counts.items():
        print(
            f"{name:<10}{found[REFUSED]:>9}{found[ACCEPTED]:>10}{found[BAD]:>5}"
            f"{slowest[name]:>12.1f}{most[name] >> 10:>10}"
        )
    return any(found[BAD] for found in counts.values())


if __name__ == "__main__":
    sys.exit(main())

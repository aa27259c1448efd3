"""What `qrobust quickstart` prints, word for word, for the README.

    python benchmarks/quickstart.py [--record quickstart] [--tiny]

Runs the quickstart in an empty folder and keeps its output, but for the line that says how fast it
was, and the counts of its summary. TFLM is left out, as it is where only the extras of the README's
first command are installed. The results are of `models/digits/model.tflite`: where the quickstart
trains another file, that folder has to be trained again on the same machine.
"""

import argparse
import contextlib
import importlib.util
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import results

from qrobust.quickstart.report import speed
from qrobust.quickstart.run import Recipes, quickstart
from qrobust.training.publish.summary import CertifiedShare, ModelSummary, read_summary

MODEL = "models/digits/model.tflite"
TINY = {"epochs = 40": "epochs = 1", "images = 300": "images = 2\nn = 100", "consistency = 5\n": ""}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    results.add_arguments(parser)
    args = parser.parse_args()
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, without_tflm(), contextlib.chdir(folder):
        with contextlib.redirect_stdout(printed):
            quickstart(Path("quickstart"), recipes=tiny() if args.tiny else None)
        summary = read_summary(Path("quickstart") / "summary.json")
    print(printed.getvalue())
    fast = f"{speed(summary)}\n"
    results.record(
        args.record,
        counts=rows(summary),
        speeds=[{"votes per second": summary.votes_per_second, "seconds": summary.seconds}],
        hashes={} if args.tiny else {MODEL: summary.file.sha256 if summary.file else ""},
        seed=0,
        text=printed.getvalue().replace(fast, ""),
    )
    return 0


def rows(summary: ModelSummary) -> list[dict[str, Any]]:
    """Certified accuracy, defended beside undefended, and clean accuracy at the top."""
    sides = {"defended": summary, "undefended": summary.baseline}
    clean = {name: results.share(s.clean.count, s.clean.of) for name, s in sides.items() if s}
    shares: dict[str, tuple[CertifiedShare, ...]] = {
        name: s.certified.shares for name, s in sides.items() if s and s.certified
    }
    return [{"radius (LSB)": "clean", **clean}] + [
        {
            "radius (LSB)": f"{pair[0].radius:g}",
            **{
                name: results.share(share.certified, share.of)
                for name, share in zip(shares, pair, strict=True)
            },
        }
        for pair in zip(*shares.values(), strict=True)
    ]


def tiny() -> Recipes:
    """The shipped recipes, cut down to seconds."""
    shipped = Recipes.shipped()
    texts = [shipped.defended, shipped.undefended]
    for old, new in TINY.items():
        texts = [text.replace(old, new) for text in texts]
    return Recipes(*texts)


@contextlib.contextmanager
def without_tflm() -> Any:
    """TFLM as if it were not installed."""
    real = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> Any:
        return None if name == "tflite_micro" else real(name, package)

    from qrobust.training.publish import device_memory
    from tflite_export import runtimes

    for module in (runtimes, device_memory):
        module.find_spec = find_spec  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in (runtimes, device_memory):
            module.find_spec = real  # type: ignore[attr-defined]


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())

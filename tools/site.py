"""Build the documentation as a site: ``python tools/site.py [--out DIR] [--serve]``.

Every warning is an error: a link or an anchor that leads nowhere, an object of the API that is not
found. Needs ``pip install -e '.[docs]'``; no TensorFlow, for the reference is read from sources.
The pages open from a disk and load nothing from anywhere.
"""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Build, or serve while one writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="folder")
    parser.add_argument("--serve", action="store_true", help="on 127.0.0.1:8000, while writing")
    args = parser.parse_args()
    words = [sys.executable, "-m", "mkdocs"]
    build = ["build", "--strict", "--site-dir", str(args.out.resolve())]
    words += ["serve"] if args.serve else build
    status = subprocess.run(words, cwd=ROOT, check=False).returncode
    if status == 0 and not args.serve:
        pages = sum(1 for _ in args.out.rglob("*.html"))
        print(f"{pages} pages: {args.out / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())

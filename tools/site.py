"""Build the documentation as a site: ``python tools/site.py [--out DIR] [--serve]``.

Every warning is an error: a link or an anchor that leads nowhere, an object of the API that is not
found, a page that loads something from elsewhere. Needs ``pip install -e '.[docs]'`` and no
TensorFlow: the reference is read from sources. Pages open from a disk; their search wants a server.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What a browser fetches by itself: not a link that a reader follows, nor a page's own address.
_LOADED = re.compile(
    r"<(?:script|img|link|iframe|source)\b(?![^>]*canonical)"
    r"""[^>]*\s(?:src|href)\s*=\s*["']?(?:https?:)?//[^>\s]+"""
)


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
        pages = sorted(args.out.rglob("*.html"))
        for page in pages:
            for found in loaded_from_elsewhere(page.read_text(encoding="utf-8")):
                print(
                    f"{page.relative_to(args.out)} loads from elsewhere: {found}", file=sys.stderr
                )
                status = 1
        print(f"{len(pages)} pages: {args.out / 'index.html'}")
    return status


def loaded_from_elsewhere(html: str) -> list[str]:
    """The tags of a page with which a browser would ask another host, as far as their address."""
    return _LOADED.findall(html)


if __name__ == "__main__":
    sys.exit(main())

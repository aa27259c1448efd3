"""Build the documentation as a site: ``python tools/site.py [--out DIR] [--serve]``.

Every warning is an error: a link or an anchor that leads nowhere, an object of the API that is not
found, a page that loads something from elsewhere. Needs ``pip install -e '.[docs]'`` and no
TensorFlow: the reference is read from sources. Pages open from a disk; their search wants a server.
The theme's own script would ask a host for what browsers before 2020 lack, and is not looked at.
"""

import argparse
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Relations of a ``<link>`` that a browser follows by itself; "next" or "canonical" it does not.
_FOLLOWED = {"stylesheet", "icon", "manifest", "preload", "modulepreload", "prefetch", "preconnect"}
_FOLLOWED |= {"dns-prefetch", "apple-touch-icon"}
#: Attributes whose address a browser fetches, on whatever tag.
_FETCHED = {"src", "srcset", "href", "xlink:href", "data", "poster", "background"}
_ELSEWHERE = re.compile(r"(?:^|[\s,])(?:https?:)?//", re.IGNORECASE)
_REFRESHED = re.compile(r"""url=\s*["']?\s*(?:https?:)?//""", re.IGNORECASE)
_IN_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?\s*(?:https?:)?//""", re.IGNORECASE)


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
        for line in found_in(args.out):
            print(line, file=sys.stderr)
            status = 1
        if status == 0:
            pages = sum(1 for _ in args.out.rglob("*.html"))
            print(f"{pages} pages: {args.out / 'index.html'}")
    return status


def found_in(site: Path) -> list[str]:
    """What the pages and style sheets of a site load from elsewhere, a line each."""
    found = []
    for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        text = path.read_text(encoding="utf-8")
        loaded = _IN_STYLE.findall(text) if path.suffix == ".css" else loaded_from_elsewhere(text)
        found += [f"{path.relative_to(site)} loads from elsewhere: {item}" for item in loaded]
    return found


def loaded_from_elsewhere(html: str) -> list[str]:
    """What a browser would ask other hosts for by itself: tags with their address, styles."""
    page = _Page()
    page.feed(html)
    page.close()
    return page.found


class _Page(HTMLParser):
    """Collects what is fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._styling = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at the attributes of a tag."""
        given = {name: value or "" for name, value in attrs}
        self._styling = tag == "style"
        relations = set(given.get("rel", "").lower().split())
        followed = tag not in ("a", "area") and (tag != "link" or relations & _FOLLOWED)
        for name, value in given.items():
            refreshed = tag == "meta" and name == "content" and _REFRESHED.search(value)
            fetched = name in _FETCHED and followed and _ELSEWHERE.search(value)
            if fetched or refreshed or (name == "style" and _IN_STYLE.search(value)):
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_endtag(self, tag: str) -> None:
        """Leave a style."""
        self._styling = self._styling and tag != "style"

    def handle_data(self, data: str) -> None:
        """Look at a style."""
        if self._styling and _IN_STYLE.search(data):
            self.found.append(f"<style> {data.strip()[:80]!r}")


if __name__ == "__main__":
    sys.exit(main())

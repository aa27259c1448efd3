"""Draws what a certificate promises, docs/figures/promise.svg: ``python tools/promise.py``.

Every number in the picture is a result: a drawn seven is certified with the shipped digits file,
under a chosen seed, so that the same picture comes out everywhere. ``--check`` writes nothing; its
exit status is 1 where the figure would change.
"""

import argparse
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from qrobust.certify import Certifier

ROOT = Path(__file__).resolve().parents[1]
FIGURE = ROOT / "docs" / "figures" / "promise.svg"
MODEL = ROOT / "models" / "digits" / "model.tflite"
#: A seven of our own, eight by eight; a digit is a sixteenth of the brightness less one.
_SEVEN = """
.3999960
.2666890
.....790
....590.
...397..
...59...
..397...
..59....
"""
_COPIES, _N, _ALPHA = 6, 10_000, "0.001"
_BLUE, _INK, _PALE, _GREEN = "#1f4e79", "#1a1a1a", "#dbe7f3", "#14532d"


def seven() -> np.ndarray:
    """The drawn digit, int64[8, 8, 1] of 0..255."""
    rows = [
        [25 * int(c) + 30 if c.isdigit() and c != "0" else 0 for c in line]
        for line in _SEVEN.split()
    ]
    return np.minimum(np.array(rows, np.int64), 255)[..., None]


class Drawing:
    """Lines of an SVG."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = 15,
        weight: str = "400",
        colour: str = _INK,
        anchor: str = "start",
    ) -> None:
        """One line of text."""
        self.lines.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" '
            f'fill="{colour}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def picture(
        self,
        x: float,
        y: float,
        pixels: np.ndarray,
        side: float,
        edge: str = "#888",
        wide: float = 1,
    ) -> None:
        """An 8 by 8 grey picture, its pixels as squares."""
        step = side / len(pixels)
        self.add(f'<rect x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}"/>')
        for row, column in np.argwhere(pixels[..., 0]):
            left, above, value = x + column * step, y + row * step, pixels[row, column, 0]
            self.add(
                f'<path d="M{left:g} {above:g}h{step:g}v{step:g}h-{step:g}z" '
                f'fill="#{value:02x}{value:02x}{value:02x}"/>'
            )
        self.lines.append(
            f'<rect x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}" fill="none" '
            f'stroke="{edge}" stroke-width="{wide:g}"/>'
        )

    def add(self, line: str) -> None:
        """Anything else."""
        self.lines.append(line)


def moved(picture: np.ndarray, way: np.ndarray, length: float) -> np.ndarray:
    """The picture, changed along a way by no more than a length (L2), still of 0..255."""
    change = np.trunc(way * (length / np.linalg.norm(way.ravel()))).astype(np.int64)
    return np.clip(picture + change, 0, 255)


def svg() -> str:
    """The figure."""
    picture = seven()
    with Certifier(MODEL, seed=0) as certifier:
        found = certifier.certify(picture, n0=100, n=_N, alpha=_ALPHA)
        copies = certifier.copies(picture, _COPIES)
        answers = [certifier.classify(np.clip(copy, 0, 255)) for copy in copies]
        ways = np.random.default_rng(7).normal(size=picture.shape), -(picture.astype(float) + 1)
        near = [moved(picture, way, 0.97 * found.radius) for way in (*ways, 128.0 - picture)]
        for changed in near:  # what the picture says of them is looked up, not believed
            if np.linalg.norm((changed - picture).ravel()) >= found.radius:
                raise ValueError("a change left the ball")
    radius = f"{found.radius:.1f}"
    most, share = int(max(found.votes)), max(found.votes) / _N
    draw = Drawing()
    draw.add(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1010 372" role="img" '
        'font-family="system-ui, sans-serif" aria-labelledby="t d">'
        '<title id="t">What a certificate promises</title>'
        f'<desc id="d">A picture of a seven. Noisy copies of it are classified by the integer '
        f"network on the device. {most:,} of {_N:,} copies are called {found.label}. So no "
        f"change of the picture by less than {radius} pixel steps can change the answer.</desc>"
        '<rect width="1010" height="372" fill="#ffffff"/>'
    )
    for x, number, head in (
        (24, 1, "A picture"),
        (204, 2, "Noisy copies, integers"),
        (478, 3, "Votes"),
        (694, 4, "The promise"),
    ):
        draw.add(f'<circle cx="{x + 12}" cy="30" r="12" fill="{_BLUE}"/>')
        draw.text(x + 12, 35, str(number), weight="700", colour="#fff", anchor="middle")
        draw.text(x + 32, 36, head, size=17, weight="700", colour=_BLUE)
    draw.picture(32, 66, picture, 128)
    draw.text(96, 218, "8 × 8 pixels, 0 to 255", size=13, anchor="middle")
    for number, (copy, label) in enumerate(zip(copies, answers, strict=True)):
        x, y = 204 + 78 * (number % 3), 66 + 98 * (number // 3)
        draw.picture(x, y, np.clip(copy, 0, 255), 64)
        draw.text(
            x + 32,
            y + 82,
            f"“{label}”",
            size=14,
            weight="700",
            anchor="middle",
            colour=_GREEN if label == found.label else "#9b1c1c",
        )
    draw.text(204, 282, f"{_N:,} copies through the 4-bit", size=13)
    draw.text(204, 300, "network on the device itself:", size=13)
    draw.text(204, 318, "the same integers in Keras,", size=13)
    draw.text(204, 336, "LiteRT, TFLM, C and the browser", size=13)
    for label, votes in enumerate(found.votes):
        y = 66 + 17 * label
        draw.text(482, y + 12, str(label), size=13)
        draw.add(
            f'<rect x="498" y="{y}" width="{max(1, 118 * votes / _N):.2f}" height="13" '
            f'fill="{_BLUE if label == found.label else "#b8c4d0"}"/>'
        )
        draw.text(502 + max(1, 118 * votes / _N), y + 11, f"{votes:,}", size=12)
    draw.text(482, 258, f"{share:.1%} say {found.label}.", size=14, weight="700")
    draw.text(482, 282, "Exact arithmetic turns the", size=13)
    draw.text(482, 300, "count into a radius, and a", size=13)
    draw.text(482, 318, "stranger can count again.", size=13)
    centre, ball = (840, 160), 106
    draw.add(
        f'<circle cx="{centre[0]}" cy="{centre[1]}" r="{ball}" fill="{_PALE}" '
        f'stroke="{_BLUE}" stroke-width="2.5"/>'
    )
    draw.picture(centre[0] - 26, centre[1] - 26, picture, 52, _BLUE, 2.5)
    for changed, (dx, dy) in zip(near, ((-78, -36), (44, -58), (30, 44)), strict=True):
        draw.picture(centre[0] + dx, centre[1] + dy, changed, 38)
    draw.text(
        centre[0],
        292,
        f"No change by less than {radius} pixel steps",
        size=14,
        weight="700",
        anchor="middle",
    )
    draw.text(
        centre[0],
        311,
        f"(L2) can turn the answer “{found.label}”.",
        size=14,
        weight="700",
        anchor="middle",
    )
    draw.text(
        centre[0],
        334,
        f"Chance that this is false: at most {_ALPHA}.",
        size=13,
        anchor="middle",
    )
    draw.text(centre[0], 352, "Where nothing is certain, it abstains.", size=13, anchor="middle")
    for x in (186, 460, 672):
        draw.add(
            f'<path d="M{x - 8} 150 h12 m-5 -5 l5 5 l-5 5" fill="none" stroke="{_BLUE}" '
            'stroke-width="2.5"/>'
        )
    draw.add("</svg>")
    return "\n".join(draw.lines) + "\n"


def main() -> int:
    """Draw, or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where it differs")
    args = parser.parse_args()
    text = svg()
    if args.check:
        same = FIGURE.is_file() and FIGURE.read_text(encoding="utf-8") == text
        print("as drawn" if same else f"{FIGURE.name} differs: run python tools/promise.py")
        return int(not same)
    FIGURE.parent.mkdir(exist_ok=True)
    FIGURE.write_text(text, encoding="utf-8")
    print(FIGURE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())

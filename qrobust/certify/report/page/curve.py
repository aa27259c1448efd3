"""The curve of certified shares, as paths of an SVG and as numbers for its slider."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, log10
from typing import Any

from qrobust.certify.report.summary import Summary, counts
from tflite_export.printable import printable

#: The drawing in its own units, and the part of it that the axes enclose.
WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 76, 700, 16, 330
#: Told apart by dashes, too, not by colour alone.
_DASHES = ("", "8 4", "2 3", "10 3 2 3")
_TICKS = 6


def drawn(runs: Mapping[str, Summary]) -> dict[str, Any]:
    """Return axes, one path a run, and every certified radius in units of ``2**-16``."""
    curves = {name: summary.curve() for name, summary in runs.items()}
    most = max((radii[-1] for radii, _ in curves.values()), default=0.0) * 1.03 or 1.0
    lines = []
    for i, (name, (radii, shares)) in enumerate(curves.items()):
        lines.append(
            {
                "name": name,
                "path": _path(radii, shares, most),
                "kind": i % len(_DASHES),
                "dash": _DASHES[i % len(_DASHES)],
            }
        )
    step = _step(most)
    ticks = [step * k for k in range(int(most / step) + 1)]
    return {
        "lines": lines,
        "most": most,
        "x_ticks": [(_x(tick, most), f"{tick:g}") for tick in ticks],
        "y_ticks": [(_y(k / 4), f"{25 * k} %") for k in range(5)],
        "box": (LEFT, RIGHT, TOP, BOTTOM),
        "size": (WIDTH, HEIGHT),
        "numbers": {
            "most": most,
            "left": LEFT,
            "right": RIGHT,
            "runs": [
                {
                    "name": printable(name),
                    "images": summary.images,
                    "radii": sorted(c.radius_q16 for c in summary.certificates if counts(c)),
                }
                for name, summary in runs.items()
            ],
        },
    }


def _x(radius: float, most: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * radius / most, 2)


def _y(share: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * share, 2)


def _path(radii: list[float], shares: list[float], most: float) -> str:
    # The share holds up to the radius of each certificate and drops after it.
    parts = [f"M{_x(0, most)} {_y(shares[0])}"]
    for radius, share in zip(radii[1:], [*shares[2:], 0.0], strict=False):
        parts.append(f"H{_x(radius, most)}V{_y(share)}")
    return "".join(parts)


def _step(most: float) -> float:
    """1, 2 or 5 times a power of ten: at most so many ticks."""
    rough = most / _TICKS
    power = 10 ** floor(log10(rough))
    return float(next(k * power for k in (1, 2, 5, 10) if k * power >= rough))

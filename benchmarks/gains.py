"""What one network has left over others, on the same images: shares, means, paired intervals."""

from typing import Any

import numpy as np
import results
from grid.paired import paired_interval
from numpy.typing import NDArray
from scipy import stats


def shares(attack: str, left: dict[str, NDArray[np.bool_]], box: str = "all") -> dict[str, Any]:
    """A line: what is left of each, and ours less each other, paired, with its exact interval.

    Args:
        attack: its name.
        left: "ours" and others -> which images are right and stay right.
        box: what the attacker sees.
    """
    line: dict[str, Any] = {"box": box, "attack": attack}
    line |= {name: results.share(int(one.sum()), len(one)) for name, one in left.items()}
    for name, theirs in left.items():
        if name != "ours":
            line[f"gain over {name}"] = points(paired_interval(left["ours"], theirs))
    return line


def means(rows: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Lines of the means over attacks: white box, black box, and the mean of these two.

    Args:
        rows: one for each attack: "box", "attack", and "ours" and others -> which images stay.
        seed: of the bootstrap.
    """
    names = [key for key in rows[0] if key not in ("box", "attack")]
    each = {
        box: {n: np.mean([row[n] for row in rows if row["box"] == box], axis=0) for n in names}
        for box in ("white", "black")
    }
    each["both"] = {name: (each["white"][name] + each["black"][name]) / 2 for name in names}
    lines = []
    for box, of in each.items():
        line: dict[str, Any] = {"box": box, "attack": "mean over attacks"}
        line |= {name: f"{of[name].mean():.1%}" for name in names}
        for name in names[1:]:
            line[f"gain over {name}"] = points(bootstrap_interval(of["ours"] - of[name], seed))
        lines.append(line)
    return lines


def bootstrap_interval(gains: NDArray[np.float64], seed: int) -> tuple[float, float, float]:
    """The mean over images, and the 2.5 and 97.5 percentiles of a bootstrap of images."""
    if len(gains) < 2:
        return float(gains.mean()), -1.0, 1.0  # nothing is known of one image
    found = stats.bootstrap(
        (gains,), np.mean, method="percentile", rng=np.random.default_rng(seed)
    ).confidence_interval
    return float(gains.mean()), float(found.low), float(found.high)


def points(found: tuple[float, float, float]) -> str:
    """A difference in points, with its interval."""
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * value for value in found))

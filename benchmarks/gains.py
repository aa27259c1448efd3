"""What one network has left over others, on the same images: shares, means, paired intervals."""

from typing import Any

import numpy as np
import results
from grid.paired import mean_interval, paired_points, points
from numpy.typing import NDArray


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
            line[f"gain over {name}"] = paired_points(left["ours"], theirs)
    return line


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of the means over attacks: white box, black box, and the mean of these two.

    Args:
        rows: one for each attack: "box", "attack", and "ours" and others -> which images stay.
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
            line[f"gain over {name}"] = points(*mean_interval(of["ours"], of[name]))
        lines.append(line)
    return lines

"""Methods of `verify` about the smoothed classifier: its certificate against a region's size.

A file that carries a smoothing spec has a second classifier, the one that `certify` certifies: the
class most likely under the noise (``smoothing``), or the winner of all views (``splits``,
``bands``, ``blocks``, ``ablation``). These methods ask whether the certificate of ``x`` covers the
region: it is a ball of its own norm, in which the region lies or does not. What they say is about
that classifier, not about the file's own label. Of counted views it is certain; of ``smoothing`` it
is wrong with probability alpha = .001 at most. They refute nothing: all else is "unknown".

The sizes are exact: squares of whole steps for L2, whole numbers otherwise.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.radius import RADIUS_BITS
from qrobust.certify.run.certificate import L0, L1, L2, PATCH, Certificate
from qrobust.certify.run.certifier import Certifier
from qrobust.certify.run.spec_in_force import spec_in_force
from qrobust.certify.smoothings.counting import Counting
from qrobust.verify.domain import Domain, Integers, Picture
from qrobust.verify.methods import register
from qrobust.verify.outcome import PROVEN, UNKNOWN, Outcome
from qrobust.verify.pixels import pixels_of
from qrobust.verify.problem import Problem
from qrobust.verify.regions import PixelChanges, Region

GAUSSIAN = "smoothing"
COUNTED = ("splits", "bands", "blocks", "ablation")
NAMES = (GAUSSIAN, *COUNTED)
DEFAULT_VOTES, MOST_VIEWS = 10_000, 65_536
#: Of a vote's pilot, as `certify` takes.
_PILOT = 100


def picture(problem: Problem, x: NDArray[Any]) -> Picture:
    """Return an input of the smoothed classifier in grid integers: not of views a file may take."""
    grid = problem.file.grid
    smoothing = spec_in_force(problem.file, None, None).smoothing(problem.file.shape)
    shape = smoothing.inputs if isinstance(smoothing, Counting) else problem.file.shape
    tensor = grid.to_tensor(np.asarray(x), shape, where="the input")
    return (tensor - np.int16(grid.zero_point)).reshape(shape)


def decide(name: str, problem: Problem, x: Picture, region: Region, budget: int) -> Outcome:
    """Prove that the smoothed classifier's label holds in a region, or say "unknown".

    Raises:
        CertifyError: a file of another smoothing or of none, a family, or fewer runs of the file
            than it has views.
    """
    with Certifier(problem.file.content, kernels=problem.predictor.kernels) as made:
        views = made.smoothing.views if isinstance(made.smoothing, Counting) else None
        kind = GAUSSIAN if views is None else made.spec.noise
        if kind != name:
            raise CertifyError(f"the file's smoothing is {kind!r}, not {name!r}")
        domain = _domain(problem, made)
        region_size = _size(region, domain.picture(x), domain)
        if views is not None and views > budget:
            raise CertifyError(f"all {views} views are run; the budget is {budget}")
        found = made.certify(x, n0=_PILOT, n=budget) if views is None else made.certify(x)
    held = not found.abstained and _covers(found, region_size)
    return Outcome(PROVEN if held else UNKNOWN, found.candidate, name, inferences=found.samples)


for _name in NAMES:
    register(_name, journal=False)(partial(decide, _name))


def _domain(problem: Problem, certifier: Certifier) -> Domain:
    return Domain(certifier.inputs, problem.file.grid.low, problem.file.grid.high)


def _size(region: Region, x: Picture, domain: Domain) -> dict[str, int]:
    """The largest change in a region by norm: L2 squared, L1, changed pixels, a patch's side."""
    if isinstance(region, PixelChanges):
        far = np.maximum(x.astype(np.int64) - domain.low, domain.high - x.astype(np.int64))
        most = min(region.count, _pixels(far).shape[0])
        side = 1 if region.count == 1 else max(domain.shape[:2], default=1)
        return {
            L2: _largest(_pixels(far**2).sum(1), most),
            L1: _largest(_pixels(far).sum(1), most),
            L0: most,
            PATCH: side,
        }
    box = region.box(x, domain)
    far = np.maximum(x.astype(np.int64) - box.low, box.high - x.astype(np.int64))
    changed = np.asarray(_pixels(far).any(1))
    return {
        L2: int((far**2).sum()),
        L1: int(far.sum()),
        L0: int(changed.sum()),
        PATCH: _side(changed.reshape(domain.shape[:2]) if far.ndim == 3 else changed),
    }


def _pixels(values: Integers) -> Integers:
    """(pixels, channels): what lies at one row and column, or a number of a vector, is a pixel."""
    return values.reshape(pixels_of(values), -1)


def _largest(values: Integers, count: int) -> int:
    return int(np.sort(values)[::-1][:count].sum())


def _side(changed: NDArray[Any]) -> int:
    """Of the smallest square that holds all changed pixels; 0 where none is."""
    ends = (
        [np.flatnonzero(changed.any(axis=1 - axis)) for axis in range(2)]
        if (changed.ndim == 2)
        else [np.flatnonzero(changed)]
    )
    return max((int(e[-1] - e[0]) + 1 if len(e) else 0) for e in ends)


def _covers(found: Certificate, size: dict[str, int]) -> bool:
    """Whether a certificate's ball, open for L2, holds everything of a size."""
    if found.norm == L2:
        return size[L2] == 0 or size[L2] << (2 * RADIUS_BITS) < found.radius_q16**2
    return size[found.norm] << RADIUS_BITS <= found.radius_q16

"""Branch and bound: cut a box until every part is proven, or one input refutes.

With enough budget this decides every box: a part that is one input is bounded exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.bounding import (
    REFINE,
    Shown,
    first_changed,
    shown_by_intervals,
    shown_by_lines,
    weakest_corners,
)
from qrobust.verify.domain import Picture
from qrobust.verify.methods import check_budget, register
from qrobust.verify.outcome import PROVEN, REFUTED, UNKNOWN, Counterexample, Outcome
from qrobust.verify.problem import Problem
from qrobust.verify.regions import Box, Region
from qrobust.verify.search import descend
from qrobust.verify.tree import Node, leaves, to_list

METHOD = "branching"
_BATCH = 16
#: Boxes that the check of one stored leaf may cut: float64 sums differ from machine to machine.
_LEAF_BUDGET = 64


@register(METHOD)
def branching(problem: Problem, x: Picture, region: Region, budget: int) -> Outcome:
    """Cut until proven, refuted, or ``budget`` boxes were bounded."""
    label = int(problem.predictor.labels(x[None])[0])
    return branch(problem, region.box(x, problem.domain), label, budget=budget, seed_from=x)


def branch(
    problem: Problem,
    box: Box,
    label: int,
    *,
    budget: int,
    refine: int = REFINE,
    seed_from: Picture | None = None,
) -> Outcome:
    """Decide whether the file gives ``label`` everywhere in a box.

    Args:
        problem: the file.
        box: grid integers.
        label: to prove.
        budget: most boxes to bound.
        refine: see `LinearBounds`.
        seed_from: where a search for a counterexample starts, before anything is bounded and
            unless intervals prove the whole box.

    Returns:
        Proven with the tree of boxes, refuted by an input that the file itself labels otherwise,
        or unknown.
    """
    check_budget(budget)
    root = Node(box)
    waiting, bounded, runs = [root], 0, 1
    searched = seed_from is None
    while waiting:
        room = min(_BATCH, budget - bounded)
        if room < 1:
            return Outcome(UNKNOWN, label, METHOD, runs, bounded)
        nodes = [waiting.pop() for _ in range(min(room, len(waiting)))]
        bounded += len(nodes)
        stack = problem.interval([node.box for node in nodes])
        proven = shown_by_intervals(problem.graph, stack, label)
        nodes = [node for node, done in zip(nodes, proven, strict=True) if not done]
        if nodes and not searched and seed_from is not None:
            searched = True
            found, tried = descend(problem, seed_from, box, label)
            runs += tried
            if found is not None:
                return _refuted(label, found, runs, bounded)
        if not nodes:
            continue
        shown = shown_by_lines(
            problem.graph, problem.interval([node.box for node in nodes]), label, refine=refine
        )
        open_ = np.nonzero(~shown.proven)[0].tolist()
        if not open_:
            continue
        candidates = _candidates(shown, [nodes[i].box for i in open_], open_)
        runs += len(candidates)
        found = first_changed(problem, candidates, label)
        if found is not None:
            return _refuted(label, found, runs, bounded)
        for i in open_:
            waiting += reversed(_cut(nodes[i], shown, i))
    return Outcome(PROVEN, label, METHOD, runs, bounded, tree=to_list(root))


def check_tree(problem: Problem, tree: Any, box: Box, label: int) -> str:
    """Prove every leaf of a stored tree again; return what is wrong, or nothing.

    Raises:
        CertifyError: the tree is none of this box.
    """
    parts = leaves(tree, box)
    for start in range(0, len(parts), _BATCH):
        some = parts[start : start + _BATCH]
        proven = shown_by_intervals(problem.graph, problem.interval(some), label)
        for part, done in zip(some, proven, strict=True):
            if done:
                continue
            outcome = branch(problem, part, label, budget=_LEAF_BUDGET)
            if outcome.status != PROVEN:
                return f"a part of the region is {outcome.status}, not proven"
    return ""


def _refuted(label: int, found: Counterexample, runs: int, bounded: int) -> Outcome:
    return Outcome(REFUTED, label, METHOD, runs, bounded, counterexample=found)


def _candidates(shown: Shown, boxes: list[Box], which: list[int]) -> Picture:
    """Weak corners of the classes that are not beaten, as inputs to run."""
    low, high = (np.stack([getattr(box, end) for box in boxes]) for end in ("low", "high"))
    picked = Shown(shown.proven[which], shown.slopes[which], shown.margins[which])
    corners = weakest_corners(picked, low, high)
    return corners[picked.margins > 0]


def _cut(node: Node, shown: Shown, i: int) -> tuple[Node, Node]:
    """Halve the coordinate that the weakest class's bound depends on most."""
    widths = (node.box.high - node.box.low).astype(np.int64).ravel()
    if not widths.any():
        raise CertifyError(
            "a single input could neither be proven nor refuted: the file and its integer graph "
            "disagree; export the file again"
        )
    worst = int(shown.margins[i].argmax())
    gain = np.abs(shown.slopes[i, worst]).ravel() * widths
    coordinate = int(gain.argmax()) if gain.any() else int(widths.argmax())
    low, high = int(node.box.low.flat[coordinate]), int(node.box.high.flat[coordinate])
    return node.split(coordinate, (low + high) // 2)

"""How a box was cut into boxes that are proven: a list of whole numbers, in preorder.

A leaf is -1. A cut is a coordinate and a place, followed by the part at or below the place and
the part above it. The leaves of a tree cover its box and do not overlap, whatever the numbers
say: nothing has to be trusted but that each leaf is proven.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.verify.regions import Box

LEAF = -1


@dataclass(eq=False)
class Node:
    """A box, and its two parts once it is cut.

    Attributes:
        box: likewise.
        cut: coordinate and place, or None.
        parts: at or below the place, and above it.
    """

    box: Box
    cut: tuple[int, int] | None = None
    parts: tuple[Node, Node] | None = None

    def split(self, coordinate: int, place: int) -> tuple[Node, Node]:
        """Cut; both parts are returned."""
        below, above = split_box(self.box, coordinate, place)
        self.cut, self.parts = (coordinate, place), (Node(below), Node(above))
        return self.parts


def split_box(box: Box, coordinate: int, place: int) -> tuple[Box, Box]:
    """Return the parts of a box at or below a place of a coordinate, and above it."""
    low, high = box.low.copy().ravel(), box.high.copy().ravel()
    if not 0 <= coordinate < low.size or not low[coordinate] <= place < high[coordinate]:
        raise CertifyError(f"a tree cuts coordinate {coordinate} at {place}, outside its box")
    middle_high, middle_low = high.copy(), low.copy()
    middle_high[coordinate], middle_low[coordinate] = place, place + 1
    shape = box.low.shape
    return (
        Box(box.low, middle_high.reshape(shape)),
        Box(middle_low.reshape(shape), box.high),
    )


def to_list(root: Node) -> list[int]:
    """Return the tree in preorder."""
    numbers: list[int] = []
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.cut is None or node.parts is None:
            numbers.append(LEAF)
            continue
        numbers += node.cut
        waiting += reversed(node.parts)
    return numbers


def leaves(numbers: Any, box: Box) -> list[Box]:
    """Return the boxes of the leaves; `CertifyError` where the list is no tree of this box."""
    if not isinstance(numbers, list) or any(type(number) is not int for number in numbers):
        raise CertifyError("a tree is a list of whole numbers")
    found, waiting, at = [], [box], 0
    while waiting:
        here = waiting.pop()
        if at >= len(numbers):
            raise CertifyError("a tree ends too early")
        if numbers[at] == LEAF:
            found.append(here)
            at += 1
            continue
        if at + 1 >= len(numbers):
            raise CertifyError("a tree ends too early")
        waiting += reversed(split_box(here, numbers[at], numbers[at + 1]))
        at += 2
    if at != len(numbers):
        raise CertifyError("a tree has numbers left over")
    return found

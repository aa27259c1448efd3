"""Tables for the C certifier that counts views: what the smoothing spec says, and a checksum.

The C beside this module runs the same views and gives the same radii as this package. Its tables
are 13 words of 32 bits: there is no noise to hold.

======  ==========================================================================================
word    holds
======  ==========================================================================================
0       magic, "QRBV"
1, 2    version of this layout, 1; number of words
3       CRC-32 of every other word, each least significant byte first
4, 5    kind (0 splits, 1 bands, 2 blocks, 3 ablation), size
6, 7    least margin of a vote in output steps, classes
8 - 10  height, width, channels of the image; of splits: all its numbers, 1, 1
11, 12  least and greatest input integer, two's complement
======  ==========================================================================================
"""

from __future__ import annotations

from math import prod

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.smoothing_spec import SmoothingSpec
from qrobust.certify.smoothings.counting import ABLATION, BANDS, BLOCKS, SPLITS, Counting

MAGIC = 0x56425251
VERSION = 1
_KINDS = {SPLITS: 0, BANDS: 1, BLOCKS: 2, ABLATION: 3}
_WORDS = 13


def view_head(spec: SmoothingSpec, *, shape: tuple[int, ...], classes: int) -> list[int]:
    """Return the words of a spec that counts views, the checksum's still 0.

    Args:
        spec: of splits, bands, blocks or ablation.
        shape: of the file's input.
        classes: outputs of the network.

    Raises:
        CertifyError: noise instead of views, an input that is not int8, or views that do not fit.
    """
    views = spec.smoothing(shape)
    if not isinstance(views, Counting):
        raise CertifyError(f"{spec.noise} is drawn, not counted")
    if spec.grid.dtype != "int8":
        raise CertifyError(f"the C certifier takes int8 inputs, this file has {spec.grid.dtype}")
    sides = (prod(shape), 1, 1) if views.kind == SPLITS else views.inputs
    low, high = spec.grid.tensor_low, spec.grid.tensor_high
    about = (_KINDS[views.kind], views.size, views.threshold, classes, *sides, low, high)
    return [word & 0xFFFFFFFF for word in (MAGIC, VERSION, _WORDS, 0, *about)]

"""Small files whose views are counted, and data for them."""

import numpy as np

from qrobust.certify import SmoothingSpec, attach_spec

from .tiny_models import linear

#: Kind -> size and threshold of the files below.
VIEWS = {"splits": (120, 2), "bands": (2, 0), "blocks": (2, 1), "ablation": (9, 1)}


def counting_file(kind, *, size=None, threshold=None, seed=5, top=4):
    """Three classes over 4 x 5 pixels; all but splits take 2 channels."""
    channels = 1 if kind == "splits" else 2
    weights = np.random.default_rng(seed).integers(-top, top + 1, (3, 20 * channels))
    model = linear(weights, bias=[40, 0, -30], shape=(4, 5, channels), output_shift=4)
    size, threshold = (
        VIEWS[kind][0] if size is None else size,
        VIEWS[kind][1] if threshold is None else threshold,
    )
    return attach_spec(model, SmoothingSpec.for_views(model, kind, size, threshold=threshold))

"""scikit-learn's digits, the data set that is always at hand."""

import numpy as np

from qrobust.datasets._layout import PIXEL, need
from qrobust.datasets.dataset import Dataset
from qrobust.datasets.split import Split


def digits(seed: int = 0, *, test_size: int = 500) -> Dataset:
    """1,797 handwritten digits of 8 x 8 pixels, bundled with scikit-learn.

    The grey levels 0..16 become `min(16 v, 255)`.

    Args:
        seed: Chooses the split, which keeps the shares of the classes.
        test_size: Test examples; the rest is for training.

    Returns:
        uint8 `(8, 8, 1)` inputs; 1,297 to train and 500 to test on unless asked otherwise.

    Raises:
        ImportError: scikit-learn is not installed.
        ValueError: Too few or too many test examples for ten classes (scikit-learn's message).

    Source:
        Alpaydin and Kaynak 1998, UCI "Optical Recognition of Handwritten Digits", test part.
    """
    bunch = need("sklearn.datasets", package="scikit-learn").load_digits()
    selection = need("sklearn.model_selection", package="scikit-learn")
    x = np.minimum(bunch.images * 16, 255).astype(np.uint8)[..., None]
    train, test = selection.train_test_split(
        np.arange(len(x)), test_size=test_size, random_state=seed, stratify=bunch.target
    )
    return Dataset(
        name="digits",
        train=Split(x[train], bunch.target[train]),
        test=Split(x[test], bunch.target[test]),
        class_names=tuple("0123456789"),
        unit=PIXEL,
    )

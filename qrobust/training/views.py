"""What a recipe's network sees in training: noisy copies of its inputs, or one view of many."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.datasets import Dataset, Split
from qrobust.layers import AblationNoise, BandNoise, GridNoise, SplitNoise
from qrobust.training.recipe_sections import Defence

GAUSSIAN, SPLITS, BANDS, BLOCKS = "gaussian", "splits", "bands", "blocks"
ABLATION = "ablation"


def input_layer(defence: Defence, low: int, high: int, seed: int) -> Any:
    """The layer in front of the network, called ``noise``.

    Args:
        defence: of a recipe.
        low: smallest input, in LSB.
        high: largest input, in LSB.
        seed: of what is drawn in training.
    """
    if defence.noise == GAUSSIAN:
        return GridNoise(
            defence.sigma,
            minimum=low,
            maximum=high,
            clean_share=defence.mixed,
            seed=seed,
            name="noise",
        )
    if defence.noise == SPLITS:
        return SplitNoise(defence.size, minimum=low, seed=seed, name="noise")
    if defence.noise == ABLATION:
        return AblationNoise(defence.size, minimum=low, seed=seed, name="noise")
    blocks = defence.noise == BLOCKS
    return BandNoise(defence.size, blocks=blocks, minimum=low, seed=seed, name="noise")


def is_masked(defence: Defence) -> bool:
    """Whether most of a picture is hidden, so that the network takes twice its channels."""
    return defence.noise in (BANDS, BLOCKS, ABLATION)


def with_inverse(dataset: Dataset, defence: Defence) -> Dataset:
    """The data as the network takes them: of bands and blocks ``x`` and ``T - x`` as channels.

    ``T - x`` is ``low + high - x`` on the input's grid, 255 - x of pixels. Other data are as they
    were.
    """
    if not is_masked(defence):
        return dataset
    validation = None if dataset.validation is None else _doubled(dataset.validation)
    return replace(
        dataset,
        train=_doubled(dataset.train),
        test=_doubled(dataset.test),
        validation=validation,
    )


def certified_inputs(x: NDArray[Any], defence: Defence) -> NDArray[Any]:
    """The inputs that certificates are about: of bands and blocks the first half of the channels.

    Args:
        x: as the network takes them, see `with_inverse`.
        defence: of the recipe.
    """
    return x[..., : x.shape[-1] // 2] if is_masked(defence) else x


def _doubled(part: Split) -> Split:
    total = 255 if part.x.dtype == np.uint8 else -1
    inverse = (total - part.x.astype(np.int16)).astype(part.x.dtype)
    return Split(np.concatenate([part.x, inverse], axis=-1), part.y)


def in_words(defence: Defence) -> str:
    """What a defence puts in front of the network, in words."""
    if defence.noise == GAUSSIAN:
        return f"sigma={defence.sigma:g}"
    return f"noise={defence.noise}, size={defence.size}"


def same_view(layer: Any, defence: Defence) -> tuple[bool, str]:
    """Whether a network's input layer is what a defence asks for, and what it is, in words."""
    if isinstance(layer, GridNoise):
        sigma = float(layer.sigma[1])
        same = defence.noise == GAUSSIAN and np.isclose(sigma, defence.sigma)
        return bool(same), f"noise of sigma {sigma:g}"
    if isinstance(layer, SplitNoise):
        found = SPLITS, layer.splits
    elif isinstance(layer, AblationNoise):
        found = ABLATION, layer.subsets
    else:
        found = (BLOCKS if layer.blocks else BANDS), layer.band
    return found == (defence.noise, defence.size), f"{found[0]} of size {found[1]}"

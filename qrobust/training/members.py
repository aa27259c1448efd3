"""A recipe that trains nothing: an ensemble of networks that are there."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from qrobust.datasets import Dataset
from qrobust.ensembles import combine, learn_weights
from qrobust.load_keras import load_keras
from qrobust.quantization.set_bits import current_bits
from qrobust.training.recipe import Recipe


def ensemble_of(recipe: Recipe, dataset: Dataset) -> Any:
    """The members that a recipe names as one model.

    Weights are those of the recipe; else they are learned on what ``[data] held_out`` keeps apart,
    under the recipe's noise, and printed; else all are equal.

    Raises:
        ValueError: members that do not go together, or that do not read this data set.
    """
    network = recipe.network
    models = [load_keras(Path(path)) for path in network.members]
    shape = tuple(dataset.train.x.shape[1:])
    for path, model in zip(network.members, models, strict=True):
        found = tuple(model.input_shape[1:]), model.output_shape[-1]
        if found != (shape, len(dataset.class_names)):
            raise ValueError(
                f"[network] members: '{path}' takes {found[0]} and gives {found[1]} logits; the "
                f"data have {shape} and {len(dataset.class_names)} classes."
            )
    weights = network.member_weights or None
    part = dataset.validation
    if weights is None and recipe.data.held_out and part is not None:
        learned = learn_weights(models, part.x, part.y, recipe.noise, seed=recipe.seed)
        weights = learned.weights
        print(f"weights learned on {len(part.x)} held-out examples: {weights}", file=sys.stderr)
    return combine(models, weights, rule=network.rule, name="ensemble")


def in_words(model: Any) -> tuple[str, str, str]:
    """What a card says of an ensemble, read off the model: members and weights, their bits.

    Args:
        model: as ``combine`` makes it; members of weight 0 are not in it.

    Returns:
        The network, bits of weights, bits of activations.
    """
    members = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    rules = {"mean": "mean", "count": "majority"}
    (sum_of,) = rules.keys() & {layer.name for layer in model.layers}
    # w_i I for each member, below each other, times a power of two.
    kernel = np.asarray(model.get_layer(sum_of).kernel, np.float64)
    column = kernel[:: len(kernel) // len(members), 0]
    while (column != np.rint(column)).any():
        column = 2 * column
    bits = [current_bits(member) for member in members]
    return (
        f"ensemble of {len(members)} by {rules[sum_of]} ("
        + " : ".join(f"{weight:.0f}" for weight in column)
        + ")",
        _alike([found.values() for found, _ in bits]),
        _alike([found.values() for _, found in bits]),
    )


def _alike(members: Sequence[Collection[int]]) -> str:
    """Bits of all members at once where they are alike."""
    texts = [" and ".join(dict.fromkeys(map(str, bits))) or "none" for bits in members]
    if len(set(texts)) == 1:
        return texts[0]
    return ", ".join(f"member {number}: {text}" for number, text in enumerate(texts, 1))

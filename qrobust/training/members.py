"""A recipe that trains nothing: an ensemble of networks that are there."""

import sys
from pathlib import Path
from typing import Any

from qrobust.datasets import Dataset
from qrobust.ensembles import combine, learn_weights
from qrobust.load_keras import load_keras
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

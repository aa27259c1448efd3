"""What a recipe of an ensemble may say: its members are trained already."""

from dataclasses import fields
from typing import Any

#: Of ``[defence]``, what an ensemble is smoothed by; all else is of training.
_OF_FILES = ("sigma", "noise", "size", "threshold")


def check_members(recipe: Any, path: str) -> None:
    """Raise `ValueError` where a recipe trains members, or gives a rule without any."""
    network, training = recipe.network, recipe.training
    if not network.members:
        if network.rule != "mean" or network.member_weights:
            raise ValueError(f"{path}: [network] rule and member_weights are of members.")
        return
    if network.rule not in ("mean", "majority"):
        raise ValueError(f"{path}: [network] rule is mean or majority. Received: {network.rule!r}")
    given = network.member_weights
    if given and (len(given) != len(network.members) or not any(given)):
        raise ValueError(
            f"{path}: [network] member_weights are one for each of {len(network.members)} members, "
            f"not all zero. Received: {list(given)}"
        )
    if network.weights or network.start or network.options:
        raise ValueError(f"{path}: [network] members are whole: no options, weights or start.")
    if training.epochs or training.float_epochs or recipe.quantization.is_float:
        raise ValueError(
            f"{path}: [network] members are trained and quantized: set [training] epochs = 0, no "
            f"float_epochs, and no float weights."
        )
    _check_untrained(recipe, path)


def _check_untrained(recipe: Any, path: str) -> None:
    """What a training would heed, and an ensemble would not: bits, losses, penalties."""
    if recipe.quantization != type(recipe.quantization)():
        raise ValueError(f"{path}: [network] members keep their bits: leave out [quantization].")
    of = recipe.defence
    asked = [
        field.name
        for field in fields(of)
        if field.name not in _OF_FILES and getattr(of, field.name) != field.default
    ]
    if asked:
        raise ValueError(
            f"{path}: [network] members are trained: [defence] takes {', '.join(_OF_FILES)}. "
            f"Received: {', '.join(asked)}"
        )

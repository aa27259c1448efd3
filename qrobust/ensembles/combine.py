"""``combine``: several quantized networks as one Keras model that exports as one integer file."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import qkeras

from qrobust.ensembles.fixed_dense import fixed_dense
from qrobust.ensembles.integer_weights import check_weights
from qrobust.ensembles.majority import ballot
from qrobust.ensembles.members import (
    Member,
    equal_weights,
    input_of,
    members_of,
    share_noise,
)
from qrobust.quantizers import QuantizedBits

#: How members decide together.
RULES = ("mean", "majority")
# int8 counts votes up to its largest integer.
_MOST_VOTES = 127


def combine(
    models: Sequence[Any],
    weights: Sequence[int] | None = None,
    *,
    rule: str = "mean",
    name: str = "ensemble",
) -> keras.Model:
    r"""One model of several: the same integers on every runtime, in one file.

    Members are copied with their weights and keep their bits. With integers ``w`` and the logits
    ``q_i`` of member i, in steps of its own grid:

    * ``"mean"``: one dense layer on all logits, as they are, onto 8 bits:

      .. math:: q = \left\lfloor 2^{-m} \textstyle\sum_i w_i q_i + 1/2 \right\rfloor,
                \quad m = \lceil \log_2 \textstyle\sum_i w_i \rceil

      It cannot saturate. Where the weights add up to no power of two, the result is smaller than
      their mean by the factor ``sum w / 2**m``, which changes no order.
    * ``"majority"``: every member's own label has ``w_i`` votes, see ``majority.ballot``; the
      outputs are the votes. Its gradients are those of clipped comparisons, nearly everywhere
      zero: attack it through the mean of the same members.

    Ties go to the lowest class, among logits and among votes, as everywhere. Where all members
    have the same ``GridNoise`` on their input, one layer there takes its place: in training, all
    see the same noisy copy, as they do on the device. Members stay as trainable as they were; the
    layers that combine them are fixed.

    Args:
        models: quantized models that export exactly, from the same inputs to logits of the same
            classes; a final softmax is left out.
        weights: whole numbers, one a model, 0 to 31 after division by what they have in common; a
            model of weight 0 is left out. By default those of the plain mean of real logits (all
            1 where the members' steps are alike), of a majority all 1.
        rule: "mean" or "majority".
        name: of the model.

    Raises:
        ValueError: models that do not go together, or weights or a rule that there are not.

    References:
        Liu et al., Enhancing Certified Robustness via Smoothed Weighted Ensembling, 2020, for
        weighted means under noise (of probabilities there, of logits here).
    """
    if rule not in RULES:
        raise ValueError(f"rule is one of {', '.join(RULES)}. Received: {rule!r}")
    given = (1,) * len(models) if weights is None else check_weights(weights, len(models))
    chosen = [model for model, weight in zip(models, given, strict=True) if weight]
    members = members_of(chosen)
    kept = tuple(weight for weight in given if weight)
    if weights is None and rule == "mean":
        kept = equal_weights([member.logit_grid for member in members])
    if rule == "majority" and sum(kept) > _MOST_VOTES:
        raise ValueError(
            f"A majority counts at most {_MOST_VOTES} votes in int8; these weights add up to "
            f"{sum(kept)}."
        )
    inputs = input_of(members)
    noise = share_noise(members)
    seen = inputs if noise is None else noise(inputs)
    logits = [member.model(seen) for member in members]
    decide = _mean if rule == "mean" else _majority
    return keras.Model(inputs, decide(logits, members, kept), name=name)


def _mean(logits: Sequence[Any], members: Sequence[Member], weights: Sequence[int]) -> Any:
    # Another power of two beside the same integers: nothing is rounded before the sum.
    exponent = min(member.logit_grid.exponent for member in members)
    met = [
        value
        if member.logit_grid.exponent == exponent
        else keras.layers.Rescaling(
            2.0 ** (exponent - member.logit_grid.exponent), name=f"meet_{number}"
        )(value)
        for number, (value, member) in enumerate(zip(logits, members, strict=True), 1)
    ]
    shift = (sum(weights) - 1).bit_length()
    total = _weighted_sum(met, np.asarray(weights) * 2.0**-shift, "mean")
    return qkeras.QActivation(QuantizedBits(8, exponent + 7), name="logits")(total)


def _majority(logits: Sequence[Any], members: Sequence[Member], weights: Sequence[int]) -> Any:
    ballots = [
        ballot(value, member.logit_grid, f"ballot_{number}")
        for number, (value, member) in enumerate(zip(logits, members, strict=True), 1)
    ]
    total = _weighted_sum(ballots, np.asarray(weights, np.float64), "count")
    return qkeras.QActivation(QuantizedBits(8, 7), name="votes")(total)


def _weighted_sum(rows: Sequence[Any], weights: Any, name: str) -> Any:
    """``sum_i weights_i * rows_i``, one dense layer on all of them side by side."""
    classes = rows[0].shape[-1]
    joined = keras.layers.Concatenate(name=f"{name}_of")(list(rows)) if len(rows) > 1 else rows[0]
    kernel = np.kron(np.reshape(weights, (-1, 1)), np.eye(classes))
    return fixed_dense(kernel, None, name)(joined)

"""Search for bit widths, layer by layer, under a budget of bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qrobust.quantization.set_bits import current_bits, set_bits


@dataclass(frozen=True)
class Lowered:
    """One step of a search.

    Attributes:
        layer: whose weights got fewer bits.
        bits: how many they have now.
        size: bytes of the whole model after it, and after any training that followed.
        score: what ``evaluate`` said after it, and after any training that followed.
    """

    layer: str
    bits: int
    size: int
    score: float


def search_bits(
    model: Any,
    evaluate: Callable[[Any], float],
    *,
    budget: int,
    size: Callable[[Any], int] | None = None,
    ladder: Sequence[int] = (8, 6, 5, 4, 3, 2),
    retrain: Callable[[Any], object] | None = None,
) -> list[Lowered]:
    """Lower weight bits, one layer at a time, until the model fits a budget; greedily, in place.

    In every round each layer is tried one rung lower, and the one stays lower that loses least
    score per byte saved. (Where no single rung saves a byte: the one that keeps the highest score.)

    Args:
        model: what ``quantize`` returned.
        evaluate: model -> score, the higher the better: certified accuracy, for instance
            ``CertifiedAccuracy(x, y, radii=[64]).evaluate`` on a few validation examples.
        budget: most bytes.
        size: model -> bytes; by default those of the exported file with int4 storage, which packs
            layers of up to 4 bits that read up to 6.
        ladder: bit widths that layers may have, falling.
        retrain: called with the model after every round, for instance one epoch of ``fit``.

    Returns:
        The rounds, in order; none where the model fits already.

    Raises:
        ValueError: a ladder that does not fall, or no layer can go lower and the budget is not met.
            The model is then as low as it goes.
    """
    rungs = list(ladder)
    if sorted(set(rungs), reverse=True) != rungs:
        raise ValueError(f"ladder falls from the most bits to the fewest. Received: {ladder}")
    size = size or exported_size
    rounds: list[Lowered] = []
    now, score = size(model), evaluate(model)
    while now > budget:
        trials = [
            _trial(model, layer, bits, size, evaluate) for layer, bits in _lower(model, rungs)
        ]
        if not trials:
            raise ValueError(
                f"No layer can take fewer bits, and the model still takes {now:,} bytes. Received: "
                f"budget={budget:,}, ladder={tuple(ladder)}"
            )
        best = max(trials, key=lambda trial: _merit(trial, now, score))
        set_bits(model, weight_bits={best.layer: best.bits})
        if retrain is not None:
            retrain(model)
            # Which weights can be packed depends on their values: the size may have changed.
            best = Lowered(best.layer, best.bits, size(model), evaluate(model))
        now, score = best.size, best.score
        rounds.append(best)
    return rounds


def exported_size(model: Any) -> int:
    """Bytes of the exported file, weights packed where every kernel family takes it."""
    from tflite_export import export

    return len(export(model, storage="int4").tflite)


def _lower(model: Any, rungs: list[int]) -> list[tuple[str, int]]:
    """Every layer with the next rung below its bits."""
    weights, _ = current_bits(model)
    lower = ((layer, [rung for rung in rungs if rung < bits]) for layer, bits in weights.items())
    return [(layer, below[0]) for layer, below in lower if below]


def _trial(
    model: Any,
    layer: str,
    bits: int,
    size: Callable[[Any], int],
    evaluate: Callable[[Any], float],
) -> Lowered:
    """What one change would do; the model is left as it was."""
    before = current_bits(model)[0][layer]
    set_bits(model, weight_bits={layer: bits})
    trial = Lowered(layer, bits, size(model), evaluate(model))
    set_bits(model, weight_bits={layer: before})
    return trial


def _merit(trial: Lowered, size: int, score: float) -> tuple[bool, float]:
    """Saves at all, and the gain of score per byte (a loss counts as negative)."""
    saved = size - trial.size
    change = trial.score - score
    # A gain should not shrink for saving more.
    per_byte = change / saved if saved > 0 and change < 0 else change
    return saved > 0, per_byte

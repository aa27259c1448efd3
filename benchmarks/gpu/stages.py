"""The stages of the GPU training, and which of them a run was asked for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One network to train.

    Attributes:
        name: of its files.
        share: of the seconds.
        width: channels of the first of its three parts.
        blocks: residual blocks in each part.
        twin: float stage whose quantized twin it is; None of a float stage.
        bits: of weights and activations, of a quantized stage.
        teacher: stage whose prediction is mixed into the labels, if any.
        teach: the teacher's share of the labels.
        rate: of learning, at the start, for a batch of 256.
        frozen: share of its seconds with fixed batch statistics, at the end.
    """

    name: str
    share: float
    width: int = 16
    blocks: int = 3
    twin: str | None = None
    bits: tuple[int, int] = (4, 4)
    teacher: str | None = None
    teach: float = 0.5
    rate: float = 0.1
    frozen: float = 0.0


STAGES = (
    Stage("large_float", 0.40, width=24, blocks=4),
    Stage("large_w4a8", 0.16, width=24, blocks=4, twin="large_float", bits=(4, 8),
          teacher="large_float", rate=1e-3, frozen=0.08),
    Stage("small_float", 0.17),
    Stage("small_w4a4", 0.27, twin="small_float", teacher="large_float", rate=2e-3, frozen=0.06),
)  # fmt: skip


def chosen(names: Sequence[str]) -> list[Stage]:
    """The stages of some names, in their order; all where none is named.

    Raises:
        ValueError: no such stage, or one without the stages that it starts from or listens to.
    """
    _check_names("--only", names)
    stages = [stage for stage in STAGES if not names or stage.name in names]
    there = {stage.name for stage in stages}
    for stage in stages:
        needs = {name for name in (stage.twin, stage.teacher) if name is not None}
        if missing := sorted(needs - there):
            raise ValueError(f"--only: {stage.name} needs {', '.join(missing)} beside it")
    return stages


def budgets(given: Sequence[str]) -> dict[str, float]:
    """``STAGE=SECONDS`` by stage.

    Raises:
        ValueError: no such stage, or seconds that are no number from 0.
    """
    found = {}
    for word in given:
        name, _, seconds = word.partition("=")
        _check_names("--budget", [name])
        try:
            found[name] = float(seconds)
        except ValueError:
            found[name] = math.nan
        if not 0 <= found[name] < math.inf:
            raise ValueError(f"--budget takes STAGE=SECONDS. Received: {word}")
    return found


def _check_names(option: str, names: Sequence[str]) -> None:
    known = [stage.name for stage in STAGES]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"{option}: no stage {', '.join(unknown)}; there are {', '.join(known)}")

"""What attacks ask of their numbers, said in one way."""

import math


def check_counts(attack: str, least: int = 1, **counts: int) -> None:
    """`ValueError` unless every count is at least ``least``.

    Args:
        attack: its name, for the message.
        least: what is allowed.
        **counts: the arguments by their names.
    """
    if any(count < least for count in counts.values()):
        raise ValueError(
            f"{attack} needs {' and '.join(counts)} of at least {least}. Received: {_said(counts)}"
        )


def check_positive(attack: str, **lengths: float | None) -> None:
    """`ValueError` unless every length given is a number > 0; None stands for a default.

    Args:
        attack: its name, for the message.
        **lengths: the arguments by their names.
    """
    given = {name: value for name, value in lengths.items() if value is not None}
    if not all(value > 0 and math.isfinite(value) for value in given.values()):
        raise ValueError(f"{attack} needs {' and '.join(given)} > 0. Received: {_said(given)}")


def _said(values: dict[str, int] | dict[str, float]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())

"""Which runtimes have to be there before anything is trained; needs no Keras."""

from collections.abc import Collection


def check_runtimes(allow_missing: Collection[str]) -> None:
    """Refuse what could not be published, before anything is trained.

    Args:
        allow_missing: runtimes that need not be there.

    Raises:
        ValueError: a runtime that is not installed and not allowed to be missing, or a name that is
            no runtime's.
    """
    from tflite_export import runtimes

    unknown = sorted(set(allow_missing) - runtimes.RUNTIMES.keys())
    if unknown:
        raise ValueError(
            f"allow_missing names runtimes: {', '.join(runtimes.RUNTIMES)}. "
            f"Received: {unknown[0]!r}"
        )
    for name in runtimes.RUNTIMES:
        why = runtimes.not_installed(name)
        if why is not None and name not in allow_missing:
            raise ValueError(not_compared(name, "cannot be", why))


def not_compared(name: str, verb: str, why: str) -> str:
    """Why nothing is published without a runtime, and what to do about it."""
    return (
        f"{name} {verb} compared ({why}), so nothing is published. Install it, or allow it to be "
        f"missing: --allow-missing '{name}', or in the recipe [parity] allow_missing = [\"{name}\"]"
    )

"""What a change of a model's Python attributes needs before Keras sees it."""

from typing import Any


def compile_again(model: Any) -> None:
    """Have Keras trace anew the functions that it has compiled for a model, at their next run.

    Works between the epochs of a ``fit``; weights and optimizer state stay.
    """
    for kind in ("train", "test", "predict"):
        if getattr(model, f"{kind}_function", None) is not None:
            getattr(model, f"make_{kind}_function")(force=True)

"""Corruptions onto a card that is published already: nothing else of the folder changes.

Everything else on a card is either of a training or costs more: the file that was published is
corrupted, not one exported anew, whose bytes could be other ones.
"""

import hashlib
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from qrobust.training.publish.card import card
from qrobust.training.publish.corrupted import NAME, corrupted
from qrobust.training.publish.files import put_files
from qrobust.training.publish.road import CARD, TFLITE
from qrobust.training.publish.summary import FILE, ModelSummary, read_summary, write_summary
from qrobust.training.recipe import Recipe
from qrobust.training.train import load_data
from tflite_export.atomic import write_text


def add_corruptions(
    recipe: Recipe,
    out: Path,
    *,
    command: str,
    data: str | None = None,
    allow_code: bool = False,
) -> ModelSummary:
    """Count what corruptions leave of ``OUT/model.tflite``; write its summary and card with that.

    Args:
        recipe: its ``[corruption]`` says how many test examples.
        out: a folder that ``qrobust train`` published.
        command: for the card: the table is of it, and not of the command that published the rest.
        data: folder of the data sets.
        allow_code: import what the recipe names as ``module:function``.

    Raises:
        ValueError: no ``[corruption]``, no published file or summary, a file or a network that the
            summary is not about, or inputs that no corruption is made for.
    """
    if not recipe.corruption.images:
        raise ValueError(
            "the recipe asks for no corruptions. Give it a section [corruption] with images = 300, "
            "or another number of test examples"
        )
    summary = read_summary(out / FILE)
    try:
        tflite = (out / TFLITE).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read '{out / TFLITE}': {error.strerror}") from None
    sha256 = hashlib.sha256(tflite).hexdigest()
    if summary.file is None or (summary.name, summary.file.sha256) != (recipe.name, sha256):
        raise ValueError(
            f"'{out / FILE}' is of another file or network than '{out / TFLITE}' and the recipe "
            f"'{recipe.name}'. Publish them together: `qrobust train RECIPE.toml --trained`"
        )
    test = load_data(recipe, data, allow_code=allow_code).test
    published = (summary.data.name, summary.data.test_images)
    if published != (recipe.data.name, len(test.x)):
        raise ValueError(
            f"'{out / FILE}' is about {published[1]} test examples of {published[0]}, and the "
            f"recipe about {len(test.x)} of {recipe.data.name}. Publish anew: "
            f"`qrobust train RECIPE.toml --trained`"
        )
    others = tuple(table for table in summary.tables if table.name != NAME)
    said = f" Counted by `{command}`, {datetime.now(UTC):%Y-%m-%d}, on the published file."
    tables = corrupted(recipe, tflite, test, data)
    tables = tuple(replace(table, note=table.note + said) for table in tables)
    summary = replace(summary, tables=others + tables)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_summary(summary, folder / FILE)
        write_text(folder / CARD, card(summary))
        put_files(sorted(folder.iterdir()), out)
    return summary

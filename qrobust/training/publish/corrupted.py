"""What a reference model still gets right when things happen by themselves, for its card."""

from typing import Any

from qrobust.datasets import Split, speech_commands
from qrobust.training.publish.summary import Table
from qrobust.training.recipe import Recipe

#: Of the table, in JSON.
NAME = "corruptions"

_SEED = 0
_NOTE = (
    "Nobody attacks here, and nothing is certified. Strengths and formulas: docs/corruptions.md. "
    "Mean over all: {mean:.1%}, clean {clean:.1%} of the same examples, whose SHA-256 is {sha256}."
)


def corrupted(recipe: Recipe, tflite: bytes, test: Split, folder: str | None) -> tuple[Table, ...]:
    """Rows of right answers of the file, a kind each, a column for each strength.

    Args:
        recipe: its ``[corruption]`` says how many examples; none for no table.
        tflite: the exported file, which answers.
        test: pictures; of keywords the features, whose sound is loaded anew.
        folder: of the data sets.

    Raises:
        ValueError: inputs that no corruption is made for.
    """
    images = recipe.corruption.images
    if not images:
        return ()
    from tqdm import tqdm

    from qrobust.certify import make_data
    from qrobust.certify.file.model_file import load_model
    from qrobust.corruptions import STRENGTHS, corrupted_accuracy
    from qrobust.corruptions.of_file import kinds_of, labels_of, prepared, usable

    if recipe.data.name == "speech_commands":
        # The same clips in the same order, before their features.
        test = speech_commands(folder, recipe.data.words or None, features="waveform").test
    file = load_model(tflite)
    x, y = prepared(test.x[:images]), test.y[:images]
    kinds, left_out = usable(kinds_of(test.x[:images], file))
    labels = labels_of(file)
    clean = float((labels(x) == y).mean())
    counted = corrupted_accuracy(labels, x, y, kinds=kinds, seed=_SEED)
    found = list(tqdm(counted, desc="corrupting", total=len(kinds) * len(STRENGTHS)))
    rows: dict[str, list[Any]] = {}
    for one in found:
        rows.setdefault(one.kind, [one.kind]).append({"count": one.right, "of": one.of})
    mean = sum(one.accuracy for one in found) / len(found)
    note = _NOTE.format(mean=mean, clean=clean, sha256=make_data(x, y).sha256)
    note += "".join(f" Left out: {kind} ({why})." for kind, why in left_out.items())
    return (
        Table(
            NAME,
            f"Corruptions of the first {len(y)} test examples",
            ("corruption", *(f"strength {strength}" for strength in STRENGTHS)),
            tuple(tuple(row) for row in rows.values()),
            note,
        ),
    )

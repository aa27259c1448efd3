"""What is certain of a file under families of changes, for its card: by exhaustion."""

from __future__ import annotations

from typing import Any

from qrobust.datasets import Split
from qrobust.training.publish.summary import Table
from qrobust.training.recipe_evidence import Verify
from qrobust.verify.batch import Image, ProofJob, prove_image
from qrobust.verify.figures import figures
from qrobust.verify.problem import Problem

_COLUMNS = ("family", "right", "right and certain", "refuted", "unknown", "inferences")


def proven(tflite: bytes, test: Split, settings: Verify) -> tuple[Table, ...]:
    """Return a table of the families that a recipe asks for; none where it asks for none.

    Args:
        tflite: the exported file.
        test: examples; the first ``settings.images`` are proven.
        settings: families, images, budget.

    Raises:
        CertifyError: a ValueError; a family that the file's inputs do not have.
    """
    if not settings.families:
        return ()
    problem = Problem(tflite)
    count = min(settings.images, len(test.x))
    rows: list[tuple[Any, ...]] = []
    for text in settings.families:
        job = ProofJob(tflite, text, budget=settings.budget)
        images = (Image(test.x[i], i, int(test.y[i])) for i in range(count))
        found = figures([prove_image(problem, job, image) for image in images])
        region, _, _ = job.chosen(problem)
        rows.append(
            (
                region.text,
                {"count": found.clean, "of": count},
                {"count": found.certain, "of": count},
                found.refuted,
                found.unknown,
                found.inferences,
            )
        )
    note = (
        f'The first {count} test examples; "certain" has no error probability: every member of a '
        "family was run through the file. "
        "`qrobust verify` writes the proofs, `qrobust audit` checks them."
    )
    return (Table("families", "Families of changes", _COLUMNS, tuple(rows), note),)

"""Two recipes, defended and undefended, through the road of ``qrobust train``, and a report."""

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qrobust.certify import Certifier
from qrobust.certify.report.summary import Summary
from qrobust.certify.report.write_report import can_plot, plot_accuracy
from qrobust.datasets import digits
from qrobust.quickstart.figures import votes_figure
from qrobust.quickstart.page import quickstart_page
from qrobust.quickstart.report import in_words, markdown
from qrobust.training.publish.evidence import DATA
from qrobust.training.publish.road import Published, folders, run_recipe
from qrobust.training.recipe import read_recipe
from tflite_export.atomic import replacing, write_text

HERE = Path(__file__).parent
RECIPE, UNDEFENDED = "recipe.toml", "undefended"

_COMMAND = "qrobust quickstart"
_PICTURED = 8
_SEED = re.compile(r"^seed = \d+$", re.MULTILINE)


@dataclass(frozen=True)
class Recipes:
    """The two recipes, as TOML.

    Attributes:
        defended: with the defence.
        undefended: the same network without it.
    """

    defended: str
    undefended: str

    @classmethod
    def shipped(cls) -> "Recipes":
        """Those of this folder."""
        return cls(*((HERE / f"{name}.toml").read_text() for name in ("defended", UNDEFENDED)))

    def seeded(self, seed: int) -> "Recipes":
        """The same with another seed of everything random."""
        line = f"seed = {seed}"
        return Recipes(_SEED.sub(line, self.defended), _SEED.sub(line, self.undefended))


def quickstart(
    out: Path, *, seed: int | None = None, resume: bool = False, recipes: Recipes | None = None
) -> dict[str, Any]:
    """Run the whole road twice and report.

    ``out`` and ``out/undefended`` become folders as ``qrobust train`` writes them, each with its
    recipe: they can be trained again, audited and attacked. ``out`` also gets data.npz, report.md,
    report.html, report.png and votes.png.

    Args:
        out: the folder: a new or empty one, unless ``resume``.
        seed: of everything random; 0 where nothing is resumed.
        resume: take up what was interrupted.
        recipes: what to train; the shipped ones by default.

    Returns:
        The content of summary.json.

    Raises:
        FileExistsError: ``out`` already holds something.
        ValueError: another seed than that of what is to be resumed.
    """
    started = time.perf_counter()
    path, beside = out / RECIPE, out / UNDEFENDED / RECIPE
    _make_folder(out, resume)
    if resume and path.exists():
        _check_seed(path, seed)
    else:
        texts = (recipes or Recipes.shipped()).seeded(seed or 0)
        beside.parent.mkdir(exist_ok=True)
        write_text(beside, texts.undefended)
        write_text(path, texts.defended)
    undefended = run_recipe(beside, resume=resume, command=_COMMAND)
    defended = run_recipe(
        path, resume=resume, command=_COMMAND, baseline=undefended.summary, started=started
    )
    _, log = folders(path, None, None)
    with replacing(out / DATA) as copied:
        shutil.copyfile(log / DATA, copied)
    _draw(out, defended, undefended)
    write_text(out / "report.md", markdown(defended))
    quickstart_page(out, defended, undefended)
    print(in_words(defended.summary, out))
    return defended.summary.to_json()


def _make_folder(out: Path, resume: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()) and not resume:
        raise FileExistsError(
            f"'{out}' is not empty. Give --out another folder, remove this one first, or take up "
            f"what is in it with --resume."
        )


def _check_seed(path: Path, seed: int | None) -> None:
    found = read_recipe(path).seed
    if seed is not None and seed != found:
        raise ValueError(f"'{path}' has seed {found}, which --resume keeps. Received: {seed}")


def _draw(out: Path, defended: Published, undefended: Published) -> None:
    if not can_plot() or defended.tflite is None:
        return
    runs = {"defended": defended, "undefended": undefended}
    curves = {name: Summary(published.certificates) for name, published in runs.items()}
    plot_accuracy(curves, out / "report.png")
    recipe = read_recipe(out / RECIPE)
    with Certifier(defended.tflite) as certifier:
        votes_figure(
            digits(recipe.seed).test.x[:_PICTURED],
            defended.certificates[:_PICTURED],
            out / "votes.png",
            certifier=certifier,
        )

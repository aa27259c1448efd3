"""The networks in models/ that were trained, and are certified, with Gaussian noise on inputs."""

from collections.abc import Collection
from pathlib import Path

import results

from qrobust.training.publish.summary import read_summary
from qrobust.training.recipe import read_recipe


def smoothed(models: Path = results.PROJECT / "models") -> list[Path]:
    """Folders of files that were trained with Gaussian noise, nested ones too."""
    found = []
    for path in sorted(models.rglob("summary.json")):
        certified, folder = read_summary(path).certified, path.parent
        if certified is None or not certified.sigma or not (folder / "model.tflite").is_file():
            continue  # not certified, counted views, or a float network
        recipe = read_recipe(results.recipe_of(folder))
        if recipe.defence.sigma and not recipe.network.members:
            found.append(folder)
    return found


def named(folder: Path) -> str:
    """``digits``, ``digits_l1/gaussian64``: the folder's place below models/."""
    return folder.relative_to(results.PROJECT / "models").as_posix()


def chosen(only: Collection[str]) -> list[Path]:
    """Folders of these names, in the order of all; of no names, all.

    Raises:
        SystemExit: a name that is no smoothed network's.
    """
    there = {named(folder): folder for folder in smoothed()}
    if unknown := sorted(set(only) - set(there)):
        raise SystemExit(f"--only: no smoothed network of models/: {', '.join(unknown)}")
    return [folder for name, folder in there.items() if not only or name in only]

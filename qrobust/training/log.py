"""The log of a training: its curves and checkpoints, and which recipe they are of."""

import json
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from qrobust.training.recipe import Recipe
from tflite_export.atomic import write_text

#: What only concerns the evaluation of a trained network may change between two attempts.
_LEFT_OUT = ("certification", "parity", "attack", "corruption", "proof", "notes", "name")
_STATE = "training.json"
_OURS = (
    "float.keras",
    "*_checkpoint.keras",
    "new_*.keras",
    "*.csv",
    "certificates.jsonl",
    "data.npz",
    _STATE,
)


def begin(log: Path, recipe: Recipe, *, resume: bool) -> None:
    """Open a log for a recipe: a new one, or that of the training to take up.

    Args:
        log: the folder.
        recipe: what will be trained.
        resume: take up what is there. Otherwise the log of a *finished* training is emptied.

    Raises:
        ValueError: resuming the log of another recipe, or writing over an unfinished training.
    """
    wanted, certification = _settings(recipe), _certification(recipe)
    found = _read(log)
    if resume and found is not None:
        _compare(log, found["recipe"], wanted)
        if found.get("certification", certification) != certification:
            # Other samples: what was certified so far is of no use, what was trained is.
            (log / "certificates.jsonl").unlink(missing_ok=True)
        _write(log, {**found, "certification": certification})
        return
    if any(log.glob("*.keras")) and not (found or {}).get("finished"):
        what = "is not resumed" if found else f"has no {_STATE} that says of which recipe it is"
        raise ValueError(
            f"'{log}' holds an unfinished training, which {what}. Take it up with --resume, give "
            f"another --log, or delete the folder."
        )
    for pattern in _OURS:
        for path in log.glob(pattern):
            path.unlink()
    _write(log, {"recipe": wanted, "certification": certification, "finished": False})


def finish(log: Path) -> None:
    """Note that what was trained has been published: the next training may use the folder."""
    found = _read(log)
    if found is not None:
        _write(log, {**found, "finished": True})


def _settings(recipe: Recipe) -> Any:
    """The parts of a recipe that decide what is trained, as JSON gives them back."""
    return _plain({key: v for key, v in asdict(recipe).items() if key not in _LEFT_OUT})


def _certification(recipe: Recipe) -> Any:
    """What certificates depend on, as a journal's plan has it: older logs hold the same keys."""
    settings = recipe.certification.settings.to_json()
    return _plain({**asdict(recipe.certification), "settings": settings})


def _plain(content: Any) -> Any:
    return json.loads(json.dumps(content, default=dict))


def _compare(log: Path, found: Any, wanted: Any) -> None:
    for key in sorted(wanted):
        if _with_new_keys(found.get(key), key) != wanted[key]:
            raise ValueError(
                f"'{log}' is the log of another recipe: its [{key}] is {found.get(key)}, this "
                f"one's {wanted[key]}. Give another --log, or train without --resume."
            )


def _with_new_keys(section: Any, name: str) -> Any:
    """A section of an older log: keys that it does not know are as if left out of its recipe."""
    kind = {field.name: field.type for field in fields(Recipe)}[name]
    if not isinstance(section, dict) or not is_dataclass(kind):
        return section
    new = {f.name: f.default for f in fields(kind) if f.default is not MISSING}
    return {**_plain(new), **section}


def _read(log: Path) -> Any:
    path = log / _STATE
    return json.loads(path.read_text()) if path.exists() else None


def _write(log: Path, state: Any) -> None:
    log.mkdir(parents=True, exist_ok=True)
    write_text(log / _STATE, json.dumps(state, indent=1) + "\n")

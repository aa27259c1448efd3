"""A recipe: the TOML file that says how a reference model is trained."""

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from qrobust.certify import CertifyError, Settings
from qrobust.training.recipe_build import build
from qrobust.training.recipe_checks import check_counts, check_values, check_views
from qrobust.training.recipe_evidence import (
    Attack,
    Certification,
    Corruption,
    Parity,
    Proof,
    Verify,
)
from qrobust.training.recipe_sections import Data, Defence, Network, Quantization, Training
from qrobust.training.recipe_sources import check_sources


@dataclass(frozen=True)
class Recipe:
    """A whole recipe; see the classes of its sections.

    Attributes:
        proof: what ``[verify]`` says of L-inf balls.
        notes: Markdown that ends the card: what was tried and what it gave.
    """

    name: str
    data: Data
    network: Network
    defence: Defence
    training: Training
    quantization: Quantization = Quantization()
    certification: Certification = Certification()
    parity: Parity = Parity()
    attack: Attack = Attack()
    proof: Proof = Proof()
    corruption: Corruption = Corruption()
    verify: Verify = Verify()
    seed: int = 0
    notes: str = ""

    @property
    def noise(self) -> float:
        """Sigma of the certificates' noise in LSB."""
        return self.certification.sigma or self.defence.sigma


#: Characters of a recipe and of one line: the parser takes the square of a dotted key's length.
_LONGEST, _LONGEST_LINE = 1 << 15, 2000
_SECTIONS: dict[str, Any] = {
    "data": Data,
    "network": Network,
    "quantization": Quantization,
    "defence": Defence,
    "training": Training,
    "certification": Certification,
    "parity": Parity,
    "attack": Attack,
    "proof": Proof,
    "corruption": Corruption,
    "verify": Verify,
}


def _text(path: Path) -> str:
    """What a recipe says; none is as long as a text that takes the parser minutes."""
    with open(path, encoding="utf-8") as file:
        text = file.read(_LONGEST + 1)
    if len(text) > _LONGEST or max(map(len, text.split("\n"))) > _LONGEST_LINE:
        raise ValueError(
            f"a recipe has at most {_LONGEST} characters, a line of it {_LONGEST_LINE}"
        )
    return text


def read_recipe(path: str | Path, *, allow_code: bool = False) -> Recipe:
    """Read and check a recipe.

    Args:
        path: of the TOML file.
        allow_code: let it name ``module:function``; nothing is imported here.

    Raises:
        ValueError: no such file, no TOML, an unknown or missing key, a value of another type, or
            a count that makes no sense.
    """
    path = Path(path)
    try:
        content = tomllib.loads(_text(path))
    except OSError as error:
        raise ValueError(f"the recipe '{path}' cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors
        kind = path.suffix.lower() in (".keras", ".h5", ".tflite")
        road = "; a recipe is a .toml that names a network under [network]" if kind else ""
        raise ValueError(f"'{path}' is not TOML: {error}{road}") from None
    for name, section in _SECTIONS.items():
        if name in content:
            where = f"{path}, [{name}]"
            if section is Certification:
                content[name] = _certification(content[name], where)
            else:
                if section is Defence:
                    _check_sigma(content[name], where)
                content[name] = build(section, content[name], where)
    recipe: Recipe = build(Recipe, content, str(path))
    check_sources(recipe, str(path))
    check_views(recipe, str(path))
    check_counts(recipe, str(path))
    check_values(recipe, str(path), allow_code=allow_code)
    network = recipe.network
    found: dict[str, Any] = {
        key: str(path.parent / value)
        for key in ("model", "weights", "start", "teacher")
        if (value := getattr(network, key))
    }
    if network.members:
        found["members"] = tuple(str(path.parent / member) for member in network.members)
    data = recipe.data
    if data.path:
        data = replace(data, path=str(path.parent / data.path))
    proof = recipe.verify.balls if recipe.verify.radii else recipe.proof
    return replace(recipe, data=data, network=replace(network, **found), proof=proof)


def _check_sigma(content: Any, where: str) -> None:
    """No default for what certificates hang on: 0 has to be written."""
    if isinstance(content, dict) and not {"sigma", "noise"} & content.keys():
        raise ValueError(f"{where}: missing 'sigma', in LSB (0 for none), or 'noise'")


def _certification(content: Any, where: str) -> Certification:
    """The section's own keys, and those of a certificate's settings, which stand beside them."""
    if not isinstance(content, dict):
        raise ValueError(f"{where}: a table is needed. Received: {content!r}")
    own = {f.name for f in fields(Certification)} - {"settings"}
    settings = {f.name for f in fields(Settings)}
    unknown = sorted(content.keys() - own - settings)
    if unknown:
        known = ", ".join((*sorted(own), *sorted(settings)))
        raise ValueError(f"{where}: unknown key '{unknown[0]}'. Known keys: {known}.")
    made: Certification = build(
        Certification, {key: content[key] for key in content if key in own}, where
    )
    try:
        asked = build(Settings, {key: content[key] for key in content if key in settings}, where)
    except CertifyError as error:
        raise ValueError(f"{where}: {error}") from None
    return replace(made, settings=asked)

"""What the values of a recipe may be, checked before anything is loaded or trained.

Types and names are the business of ``read_recipe``; this is about magnitudes, and about text that
would be a command or an address. A field that no rule covers is an error of this package.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

from qrobust.certify import Settings
from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational
from qrobust.certify.arithmetic.radius import charged_level, check_samples
from qrobust.training.recipe_bounds import (
    BIT_WORDS,
    BOUNDS,
    CHOICES,
    COUNTS,
    MASKED,
    OPTION_BOUNDS,
)
from qrobust.verify import FAMILIES

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CODE = re.compile(rf"{_NAME.pattern}(\.{_NAME.pattern})*:{_NAME.pattern}")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LONGEST = 200
_PATHS = (
    "data.path",
    "network.model",
    "network.weights",
    "network.start",
    "network.teacher",
    "network.members",
)
#: Names of functions of this package; of anybody else's only where code was allowed.
_NAMES = ("data.name", "network.name")


def check_values(recipe: Any, where: str, *, allow_code: bool = False) -> None:
    """Raise `ValueError` at the first value that makes no sense.

    Args:
        recipe: a dataclass of dataclasses.
        where: the file, for the message.
        allow_code: let names be ``module:function``, which runs whatever that is.
    """
    for name, value in _leaves(recipe, ""):
        section, _, key = name.rpartition(".")
        shown = f"{where}: [{section}] {key}" if section else f"{where}: {key}"
        if isinstance(value, bool):
            continue
        if isinstance(value, int | float):
            _check_number(name, value, shown)
        elif isinstance(value, str):
            _check_text(name, value, shown, allow_code=allow_code)
    _check_certificates(recipe.certification, where)
    _check_noise(recipe, where)
    _check_regions(recipe.verify, recipe.defence.noise, where)


def check_counts(recipe: Any, path: str) -> None:
    """Raise `ValueError` at a count that makes no sense.

    Args:
        recipe: as read.
        path: its file, for the message.
    """
    training, certification = recipe.training, recipe.certification
    for name, value, least in (
        ("[data] held_out", recipe.data.held_out, 0),
        ("[defence] ibp_warmup", recipe.defence.ibp_warmup, 0),
        ("[defence] ibp_ramp", recipe.defence.ibp_ramp, 0),
        ("[training] epochs", training.epochs, 0),
        ("[training] float_epochs", training.float_epochs, 0),
        ("[training] frozen_epochs", training.frozen_epochs, 0),
        ("[training] batch_size", training.batch_size, 1),
        ("[training] watch", training.watch, 0),
        ("[certification] images", certification.images, 0),
        ("[certification] sigma", certification.sigma, 0),
        ("[parity] inputs", recipe.parity.inputs, 1),
        ("[attack] images", recipe.attack.images, 0),
        ("[proof] images", recipe.proof.images, 0),
        ("[proof] boxes", recipe.proof.boxes, 0),
    ):
        if value < least:
            raise ValueError(f"{path}: {name} is at least {least}. Received: {value}")
    if training.frozen_epochs > training.epochs:
        raise ValueError(
            f"{path}: [training] frozen_epochs are some of epochs = {training.epochs}. "
            f"Received: {training.frozen_epochs}"
        )
    if training.measured and not training.frozen_epochs:
        raise ValueError(f"{path}: [training] measured needs frozen_epochs. Received: 0 of them")
    if training.average and recipe.quantization.weight_schedule:
        raise ValueError(
            f"{path}: [training] average would mix weights of other bits into the last ones: leave "
            f"it or [quantization] weight_schedule out."
        )
    _check_proofs(recipe, path)
    for epoch in recipe.quantization.weight_schedule:
        if not epoch.isdecimal():
            raise ValueError(
                f"{path}: [quantization] weight_schedule maps epochs, counted from 0, to bits. "
                f"Received: {epoch!r}"
            )
    for radius in certification.radii:
        if isinstance(radius, bool) or not isinstance(radius, int | float) or radius < 0:
            raise ValueError(
                f"{path}: [certification] radii are numbers, not negative. Received: {radius!r}"
            )
    if recipe.attack.images and not recipe.attack.epsilon >= 1:
        raise ValueError(
            f"{path}: [attack] epsilon is at least 1 LSB. Received: {recipe.attack.epsilon}"
        )
    if certification.images and not (recipe.noise > 0 or recipe.defence.counts):
        raise ValueError(
            f"{path}: without noise there is nothing to certify. Set [defence] sigma above 0, or "
            f"[certification] sigma for a network trained without noise, or [certification] "
            f"images = 0. Received: sigma = {recipe.noise}"
        )


def _check_proofs(recipe: Any, path: str) -> None:
    defence, epochs = recipe.defence, recipe.training.epochs
    if defence.ibp and defence.ibp_warmup + defence.ibp_ramp > epochs:
        raise ValueError(
            f"{path}: [training] epochs = {epochs} end before [defence] ibp_warmup + ibp_ramp do. "
            f"Received: {defence.ibp_warmup} + {defence.ibp_ramp}"
        )
    verify = recipe.verify
    if verify.radii and recipe.proof.images:
        raise ValueError(
            f"{path}: [proof] is the older name of [verify] radii: give one of them. Received: "
            f"{list(recipe.proof.radii)} and {list(verify.radii)}"
        )
    if verify.boxes and not verify.radii:
        raise ValueError(f"{path}: [verify] boxes cut L-inf balls: give radii, or leave boxes out.")
    for name, radii in (("proof", recipe.proof.radii), ("verify", verify.radii)):
        for radius in radii:
            if isinstance(radius, bool) or not isinstance(radius, int) or radius < 1:
                raise ValueError(
                    f"{path}: [{name}] radii are whole LSB, at least 1. Received: {radius!r}"
                )


def check_views(recipe: Any, path: str) -> None:
    """Views know no sigma, and their votes no settings; noise knows no size."""
    defence = recipe.defence
    if defence.mixed and (recipe.network.start or not defence.sigma):
        raise ValueError(
            f"{path}: [defence] mixed is a share of examples without noise: it needs a sigma, and "
            f"no [network] start, whose noise stays. Received: mixed = {defence.mixed}"
        )
    if recipe.corruption.images and (recipe.quantization.is_float or defence.counts):
        raise ValueError(
            f"{path}: [corruption] counts what a file gets right of whole inputs; a float twin has "
            f"no file, and views are no whole inputs: set images = 0."
        )
    if not defence.counts:
        if defence.size or defence.threshold:
            raise ValueError(
                f"{path}: [defence] size and threshold are of splits, bands, blocks and ablation; "
                "set noise."
            )
        return
    if defence.size < 1 or recipe.noise or defence.macer or defence.smooth_adversarial:
        raise ValueError(
            f"{path}: [defence] {defence.noise} take a size of at least 1, and no sigma, macer or "
            f"smooth_adversarial. Received: {defence}"
        )
    if recipe.certification.settings != Settings():
        raise ValueError(
            f"{path}: [certification] {defence.noise} are all counted, with no error: give images "
            f"and radii alone."
        )
    if recipe.certification.images and recipe.quantization.is_float:
        raise ValueError(
            f"{path}: {defence.noise} are counted in a file, and a float twin has none: set "
            f"[certification] images = 0."
        )
    if recipe.attack.images and defence.noise in MASKED:
        raise ValueError(
            f"{path}: the card's attack is on single pictures, which a network of {defence.noise} "
            f"never sees whole: set [attack] images = 0, and use qrobust attack --certificates."
        )


def _check_certificates(certification: Any, where: str) -> None:
    """Settings under which no certificate could ever be given are no use after a training."""
    settings = getattr(certification, "settings", certification)
    if getattr(settings, "deadline_ms", None) is not None:
        raise ValueError(
            f"{where}: [certification] deadline_ms: what a card says comes out alike on every "
            f"machine, and a clock does not. Use qrobust certify --deadline on the trained file."
        )
    try:
        level = charged_level(rational(settings.alpha, "alpha"), settings.n, Fraction(0))
        if certification.images:
            check_samples(settings.n, level)
    except CertifyError as error:
        raise ValueError(f"{where}: [certification]: {error}") from None


def _check_noise(recipe: Any, where: str) -> None:
    """What neither training nor certificates could draw would be found only after the training."""
    if 0 < recipe.defence.sigma < 1:
        raise ValueError(
            f"{where}: [defence] sigma is in LSB, and noise of less than one is mostly rounded "
            f"away. Received: {recipe.defence.sigma}"
        )
    try:
        rational(recipe.noise, "sigma")
    except CertifyError as error:
        raise ValueError(f"{where}: [certification]: {error}") from None


def _check_regions(verify: Any, noise: str, where: str) -> None:
    """A family that there is not would be found only after the training."""
    if (verify.families or verify.radii) and noise in MASKED:
        raise ValueError(
            f"{where}: [verify] proves what the file says of one whole input, which a network of "
            f"{noise} never sees: leave families and radii out."
        )
    for family in verify.families:
        for part in str(family).split("*"):
            if part.strip().partition(":")[0] not in FAMILIES:
                raise ValueError(
                    f"{where}: [verify] families are of {', '.join(FAMILIES)}. Received: {family!r}"
                )


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every value with the name of its field; keys of tables and places in lists are left out."""
    if is_dataclass(value):
        for field in fields(value):
            inner = f"{name}.{field.name}" if name else field.name
            yield from _leaves(getattr(value, field.name), inner)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{name}.{key}" if name == "network.options" else name)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, name)
    else:
        yield name, value


def _check_number(name: str, value: float, shown: str) -> None:
    low: float
    high: float
    if name.startswith("network.options"):
        low, high = OPTION_BOUNDS
        low += name.rpartition(".")[2] in COUNTS
    elif name in BOUNDS:
        low, high = BOUNDS[name]
    else:
        raise ValueError(f"{shown} is no number. Received: {value!r}")
    if not isfinite(value) or not low <= value <= high:
        raise ValueError(f"{shown} lies in [{low:g}, {high:g}]. Received: {value!r}")


def _check_text(name: str, value: str, shown: str, *, allow_code: bool) -> None:
    if name == "notes":
        return
    if len(value) > _LONGEST or not value.isprintable():
        raise ValueError(
            f"{shown} is at most {_LONGEST} printable characters. Received: {value[:40]!r}..."
        )
    if name in CHOICES and value not in CHOICES[name]:
        raise ValueError(f"{shown} is one of {', '.join(CHOICES[name])}. Received: {value!r}")
    # Words are folders of a data set; a recipe's name may become a file's, in somebody's script.
    if name in ("name", "data.words") and (not value or value[0] == "." or set(value) & set("/\\")):
        raise ValueError(
            f"{shown} is no path: not empty, no / and no \\, no dot in front. Received: {value!r}"
        )
    if name == "network.name" and not value:
        return
    if name in _NAMES and not _NAME.fullmatch(value):
        if not _CODE.fullmatch(value):
            raise ValueError(f"{shown} is a name. Received: {value!r}")
        if not allow_code:
            raise ValueError(
                f"{shown} names code to run, {value!r}; a recipe runs none unless --allow-code is "
                "given"
            )
    if name in _PATHS and _ADDRESS.match(value):
        raise ValueError(f"{shown} is a file, not an address. Received: {value!r}")
    if name.startswith("quantization.") and name not in CHOICES and value not in BIT_WORDS:
        raise ValueError(
            f"{shown} is a number of bits or one of {', '.join(sorted(BIT_WORDS))}. "
            f"Received: {value!r}"
        )

"""A journal's header, of either version."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import rational, text
from qrobust.certify.arithmetic.noise_table import MAX_SIGMA
from qrobust.certify.arithmetic.streams import LAYOUTS
from qrobust.certify.methods.settings import Settings
from qrobust.certify.run.keys import CHOSEN, KeySource, plan_hash
from qrobust.certify.run.plan import COUNTING, DEADLINE, FIELDS, planned
from qrobust.certify.smoothings.counting import ABLATION, KINDS, SHIFT_KEYS, SPLITS

_KEYS_2 = {"format", "version", "plan", "plan_sha256", "key", "kernels", "chain"}
_KEYS_1 = {"format", "version", "model_sha256", "data_sha256", "noise", "sigma", "keep", "null"}
_SETTINGS = [item.name for item in fields(Settings) if item.name != DEADLINE]
_KEYS_1 |= {"streams", "seed", "kernels", "chain", *_SETTINGS}


_VIEWS = {"size", "shift_key", "threshold", "height", "width"}

_PLAN_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("model_sha256", "data_sha256", "noise"), (str,)),
    **dict.fromkeys(("classes", "coordinates", "span", "streams"), (int,)),
    **dict.fromkeys(("kernels", "runtime"), (str, type(None))),
    "portable": (bool,),
}


@dataclass(frozen=True)
class Head:
    """What a journal is about.

    Attributes:
        version: of the journal.
        plan: see `make_plan`; in version 1 what its header says, without indices.
        plan_sha256: hash of the plan; empty in version 1.
        indices: planned, or None in version 1.
        keys: where they come from.
        settings: of the method.
        kernels: kernel family that it was made with.
    """

    version: int
    plan: dict[str, Any]
    plan_sha256: str
    indices: list[range] | None
    keys: KeySource
    settings: Settings
    kernels: str

    @cached_property
    def settings_json(self) -> dict[str, Any]:
        """The settings as every line repeats them."""
        return self.settings.to_json()

    @property
    def images(self) -> int | None:
        """How many images were planned; None in version 1."""
        return None if self.indices is None else sum(map(len, self.indices))

    def covers(self, index: int) -> bool:
        """Whether an image belongs to the plan."""
        return self.indices is None or any(index in part for part in self.indices)


def read_head(value: dict[str, Any], name: str) -> Head:
    """Read a header line.

    Args:
        value: its JSON object.
        name: of the journal, for messages.

    Raises:
        CertifyError: unknown or missing keys, or values of other types.
    """
    version = int(value["version"])
    where = f"{name}, line 1"
    known = _KEYS_2 if version == 2 else _KEYS_1
    if set(value) != known:
        odd = ", ".join(sorted(set(value) ^ known))
        raise CertifyError(f"{where}: the header has unknown or missing keys: {odd}")
    try:
        if version == 1:
            return _first_version(value)
        plan = value["plan"]
        if not isinstance(plan, dict) or set(plan) - {COUNTING, DEADLINE} != set(FIELDS):
            raise CertifyError("the plan has unknown or missing keys")
        for name, kinds in _PLAN_TYPES.items():
            if type(plan[name]) not in kinds:
                raise CertifyError(f"{name} is {plan[name]!r}")
        if plan["streams"] not in LAYOUTS:
            raise CertifyError(f"streams is {plan['streams']}; known: {LAYOUTS}")
        if {plan["kernels"] is None, plan["runtime"] is None} != {plan["portable"]}:
            raise CertifyError(
                "it names kernels and a runtime where they do not matter, or neither"
            )
        return Head(
            version=version,
            plan=plan,
            plan_sha256=plan_hash(plan),
            indices=planned(plan),
            keys=KeySource.from_json(value["key"]),
            settings=_settings(plan),
            kernels=str(value["kernels"]),
        )
    except CertifyError as error:
        raise CertifyError(f"{where}: the header is damaged: {error}") from None


def _settings(value: dict[str, Any]) -> Settings:
    for name, kind in (("method", str), ("n0", int), ("n", int), ("alpha", str)):
        if type(value[name]) is not kind:
            raise CertifyError(f"{name} is {value[name]!r}, not {kind.__name__}")
    for name in ("radius", "gain", "sigma"):
        if not isinstance(value[name], str | None):
            raise CertifyError(f"{name} is {value[name]!r}, not text")
    if value["method"] in KINDS:
        _check_counting(value)
    else:
        sigma = rational(value["sigma"], "sigma")
        if value["sigma"] != text(sigma) or not 0 < sigma <= MAX_SIGMA:
            raise CertifyError(f"sigma is {value['sigma']!r}")
        if COUNTING in value:
            raise CertifyError(f"counting is {value[COUNTING]!r}, and noise is drawn")
    if DEADLINE in value and type(value[DEADLINE]) is not int:
        raise CertifyError(f"{DEADLINE} is {value[DEADLINE]!r}, not int")
    settings = Settings(
        **{name: value[name] for name in _SETTINGS}, deadline_ms=value.get(DEADLINE)
    )
    if any(value[name] != item for name, item in settings.to_json().items()):
        raise CertifyError("its settings are not in their normal form")
    return settings


def _check_counting(value: dict[str, Any]) -> None:
    """Views are what the method says; there is no noise, and the shifts are this program's own."""
    views = value.get(COUNTING)
    if value["noise"] != value["method"] or value["sigma"] is not None:
        raise CertifyError(f"{value['method']} count {value['noise']!r}, sigma {value['sigma']!r}")
    if not isinstance(views, dict) or set(views) != _VIEWS:
        raise CertifyError(f"counting is {views!r}")
    shifts = SHIFT_KEYS.get(value["method"])
    whole = all(type(views[name]) is int for name in _VIEWS - {"shift_key"})
    if not whole or type(views["shift_key"]) is not type(shifts) or views["shift_key"] != shifts:
        raise CertifyError(f"counting is {views!r}")
    height, width = views["height"], views["width"]
    fits = 0 <= views["threshold"] <= 255
    if value["method"] == SPLITS:
        fits = fits and height == width == 0
    else:  # two channels for each of the picture's, of every pixel
        fits = fits and min(height, width) > 0 and value["coordinates"] % (2 * height * width) == 0
        most = height * width if value["method"] == ABLATION else min(height, width)
        fits = fits and 1 <= views["size"] <= most
    if not fits:
        raise CertifyError(f"counting is {views!r}, of {value['coordinates']} numbers")


def _first_version(value: dict[str, Any]) -> Head:
    if value["keep"] is not None or value["null"] is not None:
        raise CertifyError("it is about ablation, which is withdrawn")
    settings = _settings(value)
    if type(value["seed"]) is not int:
        raise CertifyError(f"the seed is {value['seed']!r}")
    about = ("model_sha256", "data_sha256", "noise", "sigma", "streams")
    plan = {name: value[name] for name in about} | settings.to_json()
    keys = KeySource(level=CHOSEN, seed=value["seed"])
    return Head(1, plan, "", None, keys, settings, str(value["kernels"]))

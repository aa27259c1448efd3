"""A bundle whose members have been checked, and what a certifier opens: a file or a bundle."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.bundle import Bundle, is_bundle, of_members, read_bundle
from qrobust.certify.file.model_file import Model, ModelFile, load_model, read_model


@dataclass(frozen=True, kw_only=True)
class BundleFile(ModelFile):
    """A checked bundle: as a classifier it is one file, with the hash of all.

    Attributes:
        bundle: rule, weights and thresholds.
        members: checked, in their order.
    """

    bundle: Bundle
    members: tuple[ModelFile, ...]


def open_model(model: Model, *, trusted: bool = False) -> ModelFile:
    """Read a ``.tflite`` or a bundle of them; see `load_model`.

    Raises:
        CertifyError: what `load_model` refuses, naming the member; or members that differ in input
            or classes.
    """
    content = read_model(model)
    if not is_bundle(content):
        return load_model(content, trusted=trusted)
    bundle = read_bundle(content)
    members = of_members(partial(load_model, trusted=trusted), bundle.members)
    first = members[0]
    for number, other in enumerate(members[1:], 2):
        for what, a, b in (
            ("inputs of shape", first.shape, other.shape),
            ("inputs on", first.grid, other.grid),
            ("classes", first.classes, other.classes),
        ):
            if a != b:
                raise CertifyError(
                    f"members of a bundle see the same inputs and tell the same classes apart: "
                    f"member 1 has {what} {a}, member {number} {b}"
                )
    return BundleFile(
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        grid=first.grid,
        shape=first.shape,
        classes=first.classes,
        one_row=any(member.one_row for member in members),
        not_portable=_not_portable(members),
        trusted=trusted,
        bundle=bundle,
        members=tuple(members),
    )


def _not_portable(members: list[ModelFile]) -> str:
    for number, member in enumerate(members, 1):
        if member.not_portable:
            return f"member {number}: {member.not_portable}"
    return ""

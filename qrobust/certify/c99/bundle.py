"""A bundle as C99: its members in one arena, its rule, and the certifier with its tables.

========================  =====================================================================
file                      holds
========================  =====================================================================
``members.h``, ``.c``     networks ``member1``, ``member2``, ..., with kernels and arena once
``bundle.h``, ``.c``      hash, rule, weights and thresholds; ``bundle_certify`` and its like
``qrobust_certify.*``     the certifier, and ``qrobust_words.h``
``certifier_tables.*``    noise and radii
========================  =====================================================================

A label is that of `qrobust.certify.file.bundle`'s rules on 32-bit integers: with logits from -255
to 255, 256 members and weights up to 2**15 no sum and no margin leaves them: a member's logits are
at most 255 steps apart.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from string import Template

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact
from qrobust.certify.arithmetic.streams import MEMBER
from qrobust.certify.c99.tables import certifier_files, write_files
from qrobust.certify.file.bundle import DRAW, Bundle
from qrobust.certify.file.bundle_file import BundleFile, open_model
from qrobust.certify.file.model_file import Model, ModelFile
from qrobust.certify.run.spec_in_force import spec_in_force
from tflite_export.c99 import generate_together
from tflite_export.errors import ExportError
from tflite_export.graph import IntegerGraph
from tflite_export.read import border_types, read_graph

_MEMBERS = "members"


def write_bundle(
    model: Model,
    folder: str | Path,
    *,
    n: int | None = None,
    radius: Exact | None = None,
    alpha: Exact | None = None,
) -> list[Path]:
    """Write a bundle as C; the table above says what.

    Args:
        model: a bundle, whose members have a smoothing spec with a radius table, a sequential
            test, or both.
        folder: made where it is missing; files of the same names are replaced.
        n: which of the spec's radius tables; needed where it holds several.
        radius: which of its sequential tests, in LSB; needed where it holds several.
        alpha: of both; needed where n or radius leave several.

    Returns:
        The files.

    Raises:
        CertifyError: see `bundle_files`.
    """
    return write_files(folder, bundle_files(model, n=n, radius=radius, alpha=alpha))


def bundle_files(
    model: Model,
    *,
    n: int | None = None,
    radius: Exact | None = None,
    alpha: Exact | None = None,
) -> dict[str, str]:
    """Return what `write_bundle` writes: name -> text.

    Raises:
        CertifyError: a file that is no bundle, members that do not go together or have no C form,
            no spec, no such table, or borders that are not int8.
    """
    file = open_model(model)
    if not isinstance(file, BundleFile):
        raise CertifyError(
            "not a bundle: write one file by tflite_export.c99.write and qrobust.certify.c99.write"
        )
    spec_in_force(file, None, None)  # refuses members that count views, and those without a spec
    graphs = {f"member{k}": _graph(k, member) for k, member in enumerate(file.members, 1)}
    try:
        members = generate_together(graphs, _MEMBERS)
    except ExportError as error:
        raise CertifyError(f"the bundle's members as C: {error}") from None
    return {
        f"{_MEMBERS}.h": members.header,
        f"{_MEMBERS}.c": members.source,
        **_rule_files(file),
        **certifier_files(file, n=n, radius=radius, alpha=alpha),
    }


def _graph(number: int, member: ModelFile) -> IntegerGraph:
    if "uint8" in border_types(member.content):
        raise CertifyError(
            f"member {number} of the bundle: the C takes int8 inputs and outputs, this file has "
            "uint8; export it with io='int8'"
        )
    if member.not_portable:
        raise CertifyError(
            f"member {number} of the bundle: kernels may differ on this file, so C could not "
            f"repeat what `qrobust certify` counts: {member.not_portable}"
        )
    try:
        return read_graph(member.content)
    except ExportError as error:
        raise CertifyError(f"member {number} of the bundle: {error}") from None


def _rule_files(file: BundleFile) -> dict[str, str]:
    bundle = file.bundle
    rule = _source(f"{bundle.rule}.c").substitute(
        thresholds=", ".join(f"{value}u" for value in (*bundle.thresholds, 0)),
        first=bundle.first,
        stream=MEMBER,
        tickets=sum(bundle.weights),
    )
    header = _source("bundle.h").substitute(
        about=bundle.text(),
        sha256=file.sha256,
        members=len(file.members),
        classes=file.classes,
        coordinates=file.coordinates,
    )
    sums = "" if bundle.rule == DRAW else _source("sums.c").template
    source = _source("bundle.c").substitute(table=_table(bundle), rule=(sums + rule).rstrip("\n"))
    return {"bundle.h": header, "bundle.c": source}


def _table(bundle: Bundle) -> str:
    rows = []
    for number, weight in enumerate(bundle.weights, 1):
        name = f"member{number}"
        functions = ", ".join(f"{name}_{what}" for what in ("input", "run", "output"))
        rows.append(f"    {{{functions}, {name.upper()}_OUTPUT_ZERO_POINT, {weight}}},")
    return "\n".join(rows)


def _source(name: str) -> Template:
    file = resources.files(__package__) / "bundle_sources" / name
    return Template(file.read_text(encoding="utf-8"))

"""Networks to plan with: shipped ones, folders of models, or any file with a journal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.bundle import is_bundle
from qrobust.certify.file.model_file import read_model
from qrobust.certify.report.read import read_certificates, read_header
from qrobust.planning.votes_of_images import Images, images_of
from qrobust.training.publish.summary import FILE, ModelSummary, read_summary
from qrobust.verify.smoothed_family import members_path

_MODEL, _JOURNALS = "model.tflite", "certificates*.jsonl"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One network.

    Attributes:
        name: for the table.
        sha256: of its file.
        bytes: size of its file.
        bits: of weights and activations, "4/4"; "" where nobody says.
        data: what it tells apart; "" where nobody says.
        macs: multiply-accumulates of an inference.
        images: what its journals tell; None where there are none that do.
        why_not: why there is nothing to plan with; "" where there is.
        coordinates: numbers in one input.
        span: width of its input grid in LSB.
    """

    name: str
    sha256: str
    bytes: int
    bits: str
    data: str
    macs: int
    images: Images | None
    why_not: str
    coordinates: int = 0
    span: int = 0


def candidates(
    network: str | None, journals: Sequence[Path], models: Path | None
) -> list[Candidate]:
    """Return the networks that a name or a path stands for.

    Args:
        network: a ``.tflite``, a folder of models, or the name of shipped ones; None for all those.
        journals: of the ``.tflite``; of a folder none, it has its own.
        models: the folder of the shipped ones, where there is one.

    Raises:
        CertifyError: nothing is called that, or journals where there is no place for them.
    """
    path = None if network is None else Path(network)
    if path is not None and path.is_file():
        for journal in journals:
            read_header(journal)  # that it can be read at all
        return [_of_file(path, list(journals), path.name)]
    if journals:
        raise CertifyError("--journal goes with --network FILE.tflite; folders have their own")
    if path is not None and path.is_dir():
        return _of_folder(path, path)
    if models is None:
        raise CertifyError(f"no file and no folder is called {network!r}, and no models are here")
    return _of_folder(models, models, network or "")


def _of_folder(folder: Path, root: Path, beginning: str = "") -> list[Candidate]:
    """Those whose names begin so; the others' journals are not read, which takes its time."""
    files = {}
    for model in sorted(folder.rglob(_MODEL)):
        here = model.parent
        name = here.relative_to(root).as_posix() if here != root else here.resolve().name
        files[name] = model
    if not files:
        raise CertifyError(f"{folder} holds no {_MODEL}")
    chosen = {name: model for name, model in files.items() if name.startswith(beginning)}
    if not chosen:
        raise CertifyError(
            f"no file, folder or shipped model is called {beginning!r}; there are "
            f"{', '.join(files)}"
        )
    return [
        _of_file(model, sorted(model.parent.glob(_JOURNALS)), name)
        for name, model in chosen.items()
    ]


def _of_file(model: Path, journals: list[Path], name: str) -> Candidate:
    content = read_model(model)
    digest = hashlib.sha256(content).hexdigest()
    summary = _summary(model.parent / FILE, digest)
    images, why_not, coordinates, span = None, "no journal: certify some of its images", 0, 0
    if journals:
        try:
            journals = _of_single_images(journals)
            lines = [list(read_certificates(path)) for path in journals]
            images = images_of(lines, name)
            first = next(line for journal in lines for line in journal)
            if first.model_sha256 != digest:
                raise CertifyError(f"{name}: its journal is about another file")
            why_not, coordinates, span = "", first.coordinates, first.span
        except CertifyError as error:
            images, why_not = None, str(error).removeprefix(f"{name}: ").removeprefix(f"{name} ")
    return Candidate(
        name=name,
        sha256=digest,
        bytes=len(content),
        bits="" if summary is None else "/".join(_bits(summary)),
        data="" if summary is None else summary.data.name,
        macs=_macs(content, name),
        images=images,
        why_not=why_not,
        coordinates=coordinates,
        span=span,
    )


def _of_single_images(journals: list[Path]) -> list[Path]:
    """Without those of families: members of one image's family are no images of their own."""
    found = [journal for journal in journals if not members_path(journal).exists()]
    if not found:
        raise CertifyError(
            f"{journals[0].name} holds the members of a family (certify --family): certify single "
            f"images"
        )
    return found


def _summary(path: Path, digest: str) -> ModelSummary | None:
    """What a folder says of the very file."""
    summary = read_summary(path) if path.is_file() else None
    same = summary is not None and summary.file is not None and summary.file.sha256 == digest
    return summary if same else None


def _bits(summary: ModelSummary) -> Iterator[str]:
    yield summary.network.weight_bits
    yield summary.network.activation_bits


def _macs(content: bytes, name: str) -> int:
    from tflite_export.inspection import inspect

    if is_bundle(content):  # which members answer a vote depends on its rule
        return 0
    try:
        return sum(operator.macs for operator in inspect(content).operators)
    except ValueError as error:
        raise CertifyError(f"{name}: {error}") from None

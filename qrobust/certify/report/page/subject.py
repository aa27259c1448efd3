"""What a page is about: runs, the model and data they are of, and what else was found out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import Exact
from qrobust.certify.report.page.evidence import Attack, Corruption, Model, Proofs
from qrobust.certify.report.summary import Summary
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.data import Data
from tflite_export.printable import printable


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Everything that a page shows.

    Attributes:
        runs: name -> certificates, in one norm; the first is what the page is about, the others
            are curves beside its own.
        also: name -> further certificates of the same inputs, in any norm.
        proofs: journals of proofs of the same inputs.
        data: the inputs, for pictures.
        data_sha256: of the data that the first run's plan names; None where it has no plan.
        model: bytes of the ``.tflite``, for its layers and the names of its classes.
        trained: what training wrote of it.
        attacks: of ``qrobust attack``.
        corruption: of ``qrobust corrupt``.
        radii: of the table; the first run's own by default.
        title: of the page.
        detailed: indices of the images whose certificates and pictures are shown one by one; a
            choice of telling ones by default.
        journal: path of the first run, for the commands of an audit.
        model_path: of the model, likewise.
        data_path: of the data, likewise.
    """

    runs: Mapping[str, Summary]
    also: Mapping[str, Summary] = field(default_factory=dict)
    proofs: Sequence[Proofs] = ()
    data: Data | None = None
    data_sha256: str | None = None
    model: bytes | None = None
    trained: Model | None = None
    attacks: Sequence[Attack] = ()
    corruption: Corruption | None = None
    radii: Sequence[Exact] | None = None
    title: str = "Certified robustness"
    detailed: Sequence[int] | None = None
    journal: str = "CERTS.jsonl"
    model_path: str = "MODEL.tflite"
    data_path: str = "DATA.npz"

    @property
    def first(self) -> Summary:
        """The run that the page is about."""
        return next(iter(self.runs.values()))

    @property
    def certificates(self) -> dict[int, Certificate]:
        """Index -> certificate of the first run, by rising index."""
        return {c.index: c for c in sorted(self.first.certificates, key=lambda c: c.index)}

    def check(self) -> None:
        """Raise `CertifyError` where parts are about different things."""
        if not self.runs or not self.first.certificates:
            raise CertifyError("a report needs at least one certificate")
        certificates = self.certificates
        if self.model is not None:
            found = hashlib.sha256(self.model).hexdigest()
            if any(c.model_sha256 != found for c in certificates.values()):
                raise CertifyError(
                    f"{printable(self.model_path)} is another model than the one certified in "
                    f"{printable(self.journal)}"
                )
        if self.data is not None:
            if self.data_sha256 not in (None, self.data.sha256):
                raise CertifyError(
                    f"{printable(self.data_path)} holds other inputs than those certified in "
                    f"{printable(self.journal)}"
                )
            if max(certificates) >= len(self.data):
                raise CertifyError(
                    f"{printable(self.data_path)} holds {len(self.data)} inputs; "
                    f"{printable(self.journal)} has a certificate of input {max(certificates)}"
                )
        for proofs in self.proofs:
            if self.data_sha256 not in (None, proofs.data_sha256):
                raise CertifyError(f"{printable(proofs.path)} is about other inputs")
        for index in self.detailed or ():
            if index not in certificates:
                raise CertifyError(
                    f"{printable(self.journal)} has no certificate of image {index} to show"
                )

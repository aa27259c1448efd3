"""A family of changes around a smoothed classifier: every member certified, alpha shared.

The members of an image's family are images themselves. Each is certified for ``alpha / K`` of K
members, on random words of its own; by the union bound all K certificates hold at once with
probability ``1 - alpha`` at least, whatever they share. So for every member ``m`` and every ``d``
below the least radius, the smoothed classifier gives ``m + d`` the one label that all members
have. Of counted views alpha is 0, and the statement is certain.

Members lie in a data set of their own, image after image, so that journal, resume and audit are
those of every other data set.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.model_file import ModelFile
from qrobust.certify.file.smoothing_spec import read_spec
from qrobust.certify.run.certificate import Certificate
from qrobust.certify.run.data import Data
from qrobust.certify.smoothings.counting import Counting
from qrobust.verify.domain import Domain
from qrobust.verify.families import Family, make_family

#: Members of a family that are certified one by one: each takes all of a certificate's samples.
MOST_MEMBERS = 4096
#: Numbers of all members together, 2 bytes each.
_MOST_NUMBERS = 1 << 30


@dataclass(frozen=True, eq=False)
class Members:
    """The members of every image.

    Attributes:
        family: of changes.
        data: their pictures as grid integers, image after image, in the family's order.
        images: how many images.
    """

    family: Family
    data: Data
    images: int


def members_path(journal: str | Path) -> Path:
    """Where the members of a journal's images lie."""
    return Path(journal).with_suffix(".members.npz")


def members_of(file: ModelFile, data: Data, text: str, images: int | None = None) -> Members:
    """Return all members of the first images of some data.

    Args:
        file: whose inputs they are; of a file that counts bands, pictures of C channels.
        data: the images.
        text: the family, see `make_family`.
        images: how many; all by default.

    Raises:
        CertifyError: a family that the inputs do not have, or one with too many members.
    """
    spec = read_spec(file.content)
    smoothing = None if spec is None else spec.smoothing(file.shape)
    shape = smoothing.inputs if isinstance(smoothing, Counting) else file.shape
    grid = file.grid
    family = make_family(text, Domain(shape, grid.low, grid.high))
    if family.size > MOST_MEMBERS:
        raise CertifyError(
            f"{family.text} has {family.size} members, each of which would be certified; at most "
            f"{MOST_MEMBERS}: choose a smaller range, or `qrobust verify`, which runs each once"
        )
    count = len(data) if images is None else min(images, len(data))
    if count * family.size * family.domain.size > _MOST_NUMBERS:
        raise CertifyError(
            f"{count} images of {family.size} members each do not fit into memory; --limit images"
        )
    pictures = []
    for index in range(count):
        tensor = grid.to_tensor(np.asarray(data.x[index]), shape, where=f"image {index}")
        x = (tensor - np.int16(grid.zero_point)).reshape(shape)
        pictures.append(family.apply(x, np.arange(family.size)))
    y = None if data.y is None else np.repeat(data.y[:count], family.size)
    return Members(family, Data(np.concatenate(pictures), y), count)


def shared_alpha(alpha: Fraction, members: int) -> Fraction:
    """Return what each member may fail with, so that all together fail with ``alpha`` at most."""
    return alpha / members


@dataclass(frozen=True)
class JointCertificate:
    """What holds for all members of an image at once.

    Attributes:
        index: of the image.
        label: of all members, or -1.
        radius_q16: least of theirs, in units of ``2**-16``; 0 without a label.
        y: true class, or None.
        members: that have a certificate.
    """

    index: int
    label: int
    radius_q16: int
    y: int | None
    members: int


def joint(certificates: Iterable[Certificate], members: int) -> list[JointCertificate]:
    """Join the certificates of all members, image by image.

    An image has a label only where every one of its members is certified, all with that label.

    Args:
        certificates: of a data set that `members_of` made.
        members: of the family.
    """
    images: dict[int, list[Certificate]] = {}
    for certificate in certificates:
        images.setdefault(certificate.index // members, []).append(certificate)
    found = []
    for index, some in sorted(images.items()):
        labels = {c.label for c in some}
        whole = len({c.index for c in some}) == members and len(labels) == 1 and -1 not in labels
        radius = min(c.radius_q16 for c in some) if whole else 0
        label = labels.pop() if whole else -1
        found.append(JointCertificate(index, label, radius, some[0].y, len(some)))
    return found


def joint_text(
    found: list[JointCertificate], family: Family, alpha: str, *, norm: str, images: int
) -> str:
    """Return what holds, in words, of all images: one that is missing is not certified."""
    certified = [c for c in found if c.label >= 0]
    right = sum(c.label == c.y for c in certified)
    unit = "LSB" if norm in ("l1", "l2") else "pixels"
    least = min((c.radius_q16 for c in certified), default=0) / 65536
    share = f"{len(certified)} of {images} images"
    if found and all(c.y is not None for c in found):
        share = f"{right} of {images} images right and certified ({len(certified)} certified)"
    risk = "certain" if alpha == "0" else f"each with probability 1 - {alpha} at least"
    return (
        f"{family.text}, {family.size} members, all at once: {share}, {risk}; least radius "
        f"{least:g} {unit} ({norm})"
    )

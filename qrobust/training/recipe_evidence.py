"""Sections of a recipe that say what a card shows."""

from dataclasses import dataclass

from qrobust.certify import Settings


@dataclass(frozen=True)
class Certification:
    """``[certification]``: what the card certifies.

    Attributes:
        images: of the test set; 0 for no certificates.
        radii: in LSB.
        sigma: of the noise, in LSB; 0 for that of ``[defence]``.
        settings: of every certificate; its fields (``n0``, ``n``, ``alpha``, ``method``, ...)
            stand beside ``images`` in the file.
    """

    images: int = 200
    radii: tuple[float, ...] = (0.0, 32.0, 64.0, 96.0, 128.0)
    sigma: float = 0.0
    settings: Settings = Settings()


@dataclass(frozen=True)
class Parity:
    """``[parity]``: how the runtimes are compared.

    Attributes:
        inputs: of the test set, at least; never fewer than are certified.
        allow_missing: runtimes that need not be installed; any other that is missing is an error.
    """

    inputs: int = 200
    allow_missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attack:
    """``[attack]``: what the card attacks: the standard worst case, L-inf, judged by the file.

    Attributes:
        images: of the test set, the first; 0 for no attack.
        epsilon: in LSB.
    """

    images: int = 200
    epsilon: float = 8.0


@dataclass(frozen=True)
class Corruption:
    """``[corruption]``: for the card, the first ``images`` of the test set; 0 for none."""

    images: int = 0


@dataclass(frozen=True)
class Proof:
    """Labels in L-inf balls; ``[proof]`` is the older name of ``[verify]`` radii and boxes.

    Attributes:
        images: of the test set, the first; 0 for no proofs.
        radii: whole LSB, at least 1.
        boxes: most boxes that branching bounds for an image that neither intervals nor linear
            bounds decide; 0 for no branching.
    """

    images: int = 0
    radii: tuple[int, ...] = (1,)
    boxes: int = 0


@dataclass(frozen=True)
class Verify:
    """``[verify]``: changes under which the card proves the file, without an error probability.

    Attributes:
        radii: of L-inf balls, whole LSB, at least 1; none for no balls.
        boxes: most boxes that branching bounds for an image that neither intervals nor linear
            bounds decide in a ball; 0 for no branching.
        families: changes whose members are all run, as `qrobust.verify.make_family` reads them:
            ``"light:32"``, ``"shift:1"``, ``"contrast:.8..1.25"``.
        images: of the test set, the first.
        budget: of each image and family: runs of the file.
    """

    families: tuple[str, ...] = ()
    images: int = 300
    budget: int = 100_000
    radii: tuple[int, ...] = ()
    boxes: int = 0

    @property
    def balls(self) -> Proof:
        """What is proven in L-inf balls."""
        return Proof(self.images, self.radii, self.boxes) if self.radii else Proof()

"""Sections of a recipe that say what a card shows beside certificates."""

from dataclasses import dataclass


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
class Verify:
    """``[verify]``: what is proven of the file, without an error probability.

    Attributes:
        families: changes whose members are all run, as `qrobust.verify.make_family` reads them:
            ``"light:32"``, ``"shift:1"``, ``"contrast:.8..1.25"``.
        linf: radii of boxes around the input, whole LSB, proven by bounds and branching.
        images: of the test set, the first.
        budget: of each box: boxes that are bounded; of each family: runs of the file.
    """

    families: tuple[str, ...] = ()
    linf: tuple[float, ...] = ()
    images: int = 300
    budget: int = 100_000

"""Where the key of an image's random words comes from, which decides what a certificate is worth.

=========== ====================================================================================
level       key of image ``i``
=========== ====================================================================================
chosen      ``(seed, i)``: for experiments. A network can be fitted to the draws of a seed that
            is known before it, and its owner can try seeds
derived     hash of model, data, sigma, method and ``i``: no network can be fitted to its own
            draws, but an owner who tries many files finds false certificates at rate alpha a try
witnessed   the same, with the plan's hash and a nonce that was published after it: speaks
            against the certificate's own owner, once an auditor has both from elsewhere
fresh       128 bits of the operating system's entropy for every query: where strangers supply
            the inputs
none        0, where views are counted and nothing is drawn
=========== ====================================================================================

``n`` is in no key: an extended run is a new plan on the same images and a further attempt.
The hash is SHA-256 over JSON with sorted keys and no spaces, its first two little-endian words.
:mod:`qrobust.certify.core.claim` computes it again, on its own.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.exact_numbers import whole
from qrobust.certify.arithmetic.streams import Key

CHOSEN = "chosen"
DERIVED = "derived"
WITNESSED = "witnessed"
FRESH = "fresh"
NONE = "none"
LEVELS = (CHOSEN, DERIVED, WITNESSED, FRESH, NONE)

#: What of a plan the key depends on.
_ABOUT = ("model_sha256", "data_sha256", "noise", "sigma", "method")
_MOST_TEXT = 1024


@dataclass(frozen=True, kw_only=True)
class KeySource:
    """How keys are made; it stands in the header of every journal.

    Attributes:
        level: one of `LEVELS`.
        seed: of a chosen key, in [0, 2**64).
        nonce: of a witnessed key, text that nobody knew when the plan was published.
        source: who published the nonce (a beacon, an auditor), in words.
        round: which of its publications, in words.
    """

    level: str = DERIVED
    seed: int | None = None
    nonce: str | None = None
    source: str | None = None
    round: str | None = None

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise CertifyError(f"unknown key level {self.level!r}; known: {', '.join(LEVELS)}")
        if (self.seed is not None) != (self.level == CHOSEN):
            raise CertifyError(
                f"a key of level {self.level} and seed={self.seed} do not go together"
            )
        if self.seed is not None:
            whole(self.seed, "seed", 0, (1 << 64) - 1)
        if self.nonce is not None and self.level != WITNESSED:
            raise CertifyError(f"a nonce makes a witnessed key, not one of level {self.level}")
        if self.level == WITNESSED and not (self.nonce and self.source and self.round):
            raise CertifyError("a witnessed key needs a nonce, its source and its round")
        for name in ("nonce", "source", "round"):
            text = getattr(self, name)
            if text is None:
                continue
            if not isinstance(text, str) or len(text) > _MOST_TEXT or not text.isprintable():
                raise CertifyError(f"the key's {name} has to be printable text of one line")

    @classmethod
    def choose(
        cls,
        *,
        seed: int | None = None,
        key: str | KeySource | None = None,
        nonce: str | None = None,
        source: str | None = None,
        round: str | None = None,
    ) -> KeySource:
        """Return the source that some arguments ask for; derived where they say nothing."""
        given = [
            name
            for name, value in (("seed", seed), ("key", key), ("nonce", nonce))
            if value is not None
        ]
        if len(given) > 1:
            raise CertifyError(f"give one of {', '.join(given)}: each of them makes the key")
        if isinstance(key, KeySource):
            return key
        if seed is not None:
            return cls(level=CHOSEN, seed=whole(seed, "seed", 0, (1 << 64) - 1))
        if nonce is not None:
            return cls(level=WITNESSED, nonce=nonce, source=source, round=round)
        return cls(level=DERIVED if key is None else key)

    def key(self, plan: dict[str, Any], index: int) -> Key:
        """Return the key of an image under a plan; a fresh one is another at every call."""
        if self.level == CHOSEN:
            return self.seed or 0, index
        if self.level == NONE:
            return 0, 0
        if self.level == FRESH:
            return secrets.randbits(64), secrets.randbits(64)
        about = {name: plan[name] for name in _ABOUT} | {"index": index, "level": self.level}
        if self.level == WITNESSED:
            about |= {"nonce": self.nonce, "plan_sha256": plan_hash(plan)}
        digest = hashlib.sha256(_canonical(about)).digest()
        return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object of what is given."""
        given = {"level": self.level, "seed": self.seed, "nonce": self.nonce}
        given |= {"source": self.source, "round": self.round}
        return {name: value for name, value in given.items() if value is not None}

    @classmethod
    def from_json(cls, value: Any) -> KeySource:
        """Read what :meth:`to_json` wrote; raise `CertifyError` where it is damaged."""
        known = {"level", "seed", "nonce", "source", "round"}
        if not isinstance(value, dict) or set(value) - known or "level" not in value:
            raise CertifyError(f"the key is {value!r}, which describes no key")
        if "seed" in value and type(value["seed"]) is not int:
            raise CertifyError(f"the key's seed is {value['seed']!r}, not an integer")
        return cls(**value)


def plan_hash(plan: dict[str, Any]) -> str:
    """Return the hash that is published before a nonce: SHA-256 of the plan's canonical JSON."""
    return hashlib.sha256(_canonical(plan)).hexdigest()


def key_text(key: Key) -> str:
    """Return a key as 32 hexadecimal digits, first word first."""
    return f"{key[0]:016x}{key[1]:016x}"


def read_key(text: str) -> Key:
    """Read what `key_text` wrote."""
    return int(text[:16], 16), int(text[16:], 16)


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

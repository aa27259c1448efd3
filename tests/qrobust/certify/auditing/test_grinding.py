"""What a derived key does not stop: its owner tries files, or bytes that do not matter."""

import numpy as np

from qrobust.certify import Certifier, Settings
from qrobust.certify.file.metadata import write_metadata

from ..tiny_models import linear

TRIES = 400
ALPHA = 0.05


def test_an_owner_who_tries_many_files_finds_false_certificates_at_rate_alpha():
    # On the boundary, no label has a probability above 1/2 by more than ties give it: every
    # certificate with a radius is false.
    file = linear([[1, -1], [-1, 1]], output_shift=1)
    x = np.array([128, 128])
    settings = Settings(n0=20, n=200, alpha=str(ALPHA))
    false = 0
    with Certifier(file, sigma=20, classes=2, threads=1) as certifier:
        plan = certifier.plan(settings, "the data", [0])
        for attempt in range(TRIES):
            # What the owner changes: a description in the file's metadata. Only its hash counts.
            certificate = certifier.run(settings, x, plan={**plan, "model_sha256": str(attempt)})
            false += certificate.radius > 1.5
    assert 0 < false <= 2 * ALPHA * TRIES
    # A file with other free bytes is the same classifier with another hash.
    other = write_metadata(file, "description", b"once more")
    with Certifier(other, sigma=20, classes=2, threads=1) as changed:
        assert changed.file.sha256 != certifier.file.sha256


def test_a_nonce_published_after_the_plan_stops_it():
    """Whatever the owner tries before, the draws that count come after."""
    file = linear([[1, -1], [-1, 1]], output_shift=1)
    settings = Settings(n0=20, n=200, alpha=str(ALPHA))
    keys = set()
    for nonce in ("first", "second"):
        with Certifier(
            file, sigma=20, classes=2, threads=1, nonce=nonce, source="a beacon", round="1"
        ) as certifier:
            plan = certifier.plan(settings, "the data", [0])
            keys.add(certifier.keys.key(plan, 0))
            # And the plan's hash is part of the key: another file is another plan.
            keys.add(certifier.keys.key({**plan, "model_sha256": "other"}, 0))
    assert len(keys) == 4

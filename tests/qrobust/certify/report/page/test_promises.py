from dataclasses import replace
from fractions import Fraction

import pytest

from qrobust.certify.report.page.promises import of_certificate, of_proof, ranked

from ...run.test_certificate import CERTIFICATE
from .test_write_page import proofs


@pytest.mark.parametrize("q16", [1, 65536, 65537, 255 << 16, (255 << 16) + 1, 700 << 16, 9 << 30])
@pytest.mark.parametrize("coordinates", [1, 20, 64])
def test_numbers_of_an_open_ball_are_the_largest_that_fit(q16, coordinates):
    found = of_certificate("a", replace(CERTIFICATE, radius_q16=q16, coordinates=coordinates))
    radius = Fraction(q16, 1 << 16)
    for number, most, square in (
        (found.one, 255, lambda n: n**2),
        (found.every, 255, lambda n: coordinates * n**2),
        (found.free, coordinates, lambda n: n * 255**2),
    ):
        assert square(number) < radius**2
        assert number == most or square(number + 1) >= radius**2


def test_counted_views():
    sides = {"height": 8, "width": 8}
    patch = replace(CERTIFICATE, norm="patch", radius_q16=3 << 16, sigma=None, counting=sides,
                    coordinates=2 * 8 * 8 * 3, key_level="none")  # fmt: skip
    found = of_certificate("p", patch)
    assert (found.one, found.every, found.free) == (255, 0, 27)
    assert (found.certain, found.chance, found.trust) == (True, "none", 1)
    l1 = replace(CERTIFICATE, norm="l1", radius_q16=600 << 16, sigma=None, key_level="none")
    found = of_certificate("s", l1)
    assert (found.one, found.every, found.free) == (255, 30, 2)


def test_changed_pixels():
    pixels = replace(CERTIFICATE, norm="l0", radius_q16=4 << 16, sigma=None, coordinates=192,
                     counting={"height": 4, "width": 8}, key_level="none")  # fmt: skip
    found = of_certificate("p", pixels)
    assert (found.one, found.every, found.free) == (255, 0, 12)
    assert of_certificate("p", replace(pixels, counting={})).free == 4


def test_trust_follows_the_key_and_the_runtime():
    levels = ["none", "witnessed", "fresh", "derived", "chosen", "something"]
    ranks = [of_certificate("a", replace(CERTIFICATE, key_level=level)).trust for level in levels]
    assert ranks == sorted(ranks) and len(set(ranks)) == len(ranks)
    bound = of_certificate("a", replace(CERTIFICATE, portable=False))
    assert bound.trust > of_certificate("a", CERTIFICATE).trust and "kernels" in bound.whom


def test_ranking():
    proof = of_proof(proofs("box"), proofs().lines[7], 255)
    assert (proof.one, proof.every) == (2, 2)
    unknown = proofs("open", status="unknown")
    nothing = of_proof(unknown, unknown.lines[7], 255)
    family = of_proof(proofs("light", region="light:9"), proofs().lines[7], 255)
    small, large = (
        of_certificate(name, replace(CERTIFICATE, radius_q16=radius << 16))
        for name, radius in (("small", 5), ("large", 500))
    )
    order = ["box", "light", "large", "small", "open"]
    assert [p.run for p in ranked([small, nothing, large, family, proof])] == order
    assert (nothing.label, nothing.every) == (None, 0)

import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.methods.settings import Settings


def test_numbers_are_kept_in_their_normal_form():
    a = Settings(method="sequential", alpha="1e-3", radius="63.750")
    assert a == Settings(method="sequential", alpha="0.001", radius="63.75")
    assert a.to_json() == {
        "method": "sequential", "n0": 100, "n": 10_000, "alpha": "0.001", "radius": "63.75",
        "gain": None,
    }  # fmt: skip
    assert Settings(method="anytime").gain == "0.05"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "guess"}, "unknown method 'guess'; known: clopper_pearson"),
        ({"n0": 0}, "n0 must be at least 1, received 0"),
        ({"n": -3}, "n must be at least 1, received -3"),
        ({"alpha": "few"}, "alpha must be a finite number"),
        ({"method": "sequential"}, "a sequential test needs a radius"),
        ({"method": "sequential", "radius": "-1"}, "must not be negative"),
        ({"radius": "3"}, "only a sequential test takes a radius"),
        ({"gain": "0.1"}, "only anytime takes a gain"),
        ({"method": "anytime", "gain": "1"}, r"gain must lie in \(0, 1\), received 1"),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(CertifyError, match=message):
        Settings(**arguments)

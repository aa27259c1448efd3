import json
from fractions import Fraction

import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.run.certificate import Certificate

CERTIFICATE = Certificate(
    index=4, label=2, candidate=2, radius_q16=3 * 65536 + 1, norm="l2", decision="certified",
    pilot_votes=(1, 1, 8), votes=(1, 2, 97), n0=10, n=100,
    settings={"alpha": "0.001", "method": "clopper_pearson"},
    sampler_error="1E-20", noise="rounded_gaussian", sigma="64", span=255,
    coordinates=20, key="0" * 31 + "4", key_level="chosen", streams=2, quantized_input=False,
    input_sha256="ab",
    model_sha256="cd", runtime="litert", kernels="xnnpack", portable=True, y=2, seconds=0.5,
)  # fmt: skip


def test_radii():
    assert CERTIFICATE.radius == 3 + 2**-16  # exact
    assert CERTIFICATE.radius_unit == 0.011764765
    assert CERTIFICATE.radius_unit <= CERTIFICATE.radius / 255
    assert (CERTIFICATE.samples, CERTIFICATE.alpha) == (110, "0.001")


def test_derived_radii_never_exceed_geometry():
    linf = Fraction(CERTIFICATE.radius_linf)
    assert linf**2 * 20 <= Fraction(CERTIFICATE.radius) ** 2 < (linf + Fraction(1, 65536)) ** 2 * 20
    assert CERTIFICATE.radius_l1 == CERTIFICATE.radius


def test_json_round_trip():
    value = json.loads(json.dumps(CERTIFICATE.to_json()))
    assert Certificate.from_json(value) == CERTIFICATE
    assert (value["radius"], value["correct"]) == (CERTIFICATE.radius, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"votes": [1, "2"]}, "votes are not all integers"),
        ({"votes": 3}, "votes is 3"),
        ({"n": 1.5}, "n is 1.5"),
        ({"n": True}, "n is True"),
        ({"sigma": 64}, "sigma is 64"),
        ({"y": "2"}, "y is '2'"),
        ({"quantized_input": 0}, "quantized_input is 0"),
        ({"settings": {}}, "settings lack alpha"),
        ({"settings": []}, "settings is"),
    ],
)
def test_damaged(change, message):
    with pytest.raises(CertifyError, match=message):
        Certificate.from_json({**CERTIFICATE.to_json(), **change})


def test_missing():
    value = CERTIFICATE.to_json()
    del value["votes"]
    with pytest.raises(CertifyError, match="lacks votes"):
        Certificate.from_json(value)


def test_certificates_of_older_versions_can_be_read():
    value = CERTIFICATE.to_json()
    del value["unit"]
    assert Certificate.from_json(value) == CERTIFICATE

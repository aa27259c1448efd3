import json

import pytest

from qrobust.certify.certificate import Certificate
from qrobust.certify.errors import CertifyError

CERTIFICATE = Certificate(
    index=4, label=2, candidate=2, radius_q16=3 * 65536 + 1, span=255, votes=(1, 2, 97), n0=10,
    n=100, alpha="0.001", sampler_error="1E-20", method="clopper_pearson",
    noise="rounded_gaussian", sigma="64", seed=0, streams=1, quantized_input=False,
    input_sha256="ab", model_sha256="cd", runtime="litert", kernels="xnnpack", samples=110, y=2,
    seconds=0.5,
)  # fmt: skip


def test_radii():
    assert CERTIFICATE.radius == 3 + 2**-16  # exact
    assert CERTIFICATE.radius_unit == 0.011764765
    assert CERTIFICATE.radius_unit <= CERTIFICATE.radius / 255


def test_json_round_trip():
    value = json.loads(json.dumps(CERTIFICATE.to_json()))
    assert Certificate.from_json(value) == CERTIFICATE
    assert (value["radius_lsb"], value["correct"]) == (CERTIFICATE.radius, True)


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

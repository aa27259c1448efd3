import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.metadata import write_metadata
from qrobust.certify.file.model_file import make_interpreter
from qrobust.certify.file.smoothing_spec import METADATA_NAME, SmoothingSpec, attach_spec, read_spec
from qrobust.certify.report.summary import Summary
from qrobust.certify.run.certifier import Certifier

from ..tiny_models import linear


@pytest.fixture(scope="module")
def spec(classifier):
    return SmoothingSpec.for_model(
        classifier,
        sigma="12.5",
        labels=("a", "b", "c"),
        tables=((50, "0.01"),),
        tests=(("6.25", 200, "0.01"),),
    )


def outputs(file, x):
    interpreter = make_interpreter(file, batch=len(x))
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_round_trip_and_the_file_computes_the_same(classifier, spec):
    file = attach_spec(classifier, spec)
    assert read_spec(file) == spec
    assert read_spec(classifier) is None
    x = np.random.default_rng(0).integers(-128, 128, (9, 5, 4, 1)).astype(np.int8)
    np.testing.assert_array_equal(outputs(file, x), outputs(classifier, x))


def test_attaching_again_replaces(classifier, spec):
    changed = replace(spec, sigma=Fraction(3), tables=())
    assert read_spec(attach_spec(attach_spec(classifier, spec), changed)) == changed


def test_from_a_path(classifier, spec, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(attach_spec(classifier, spec))
    assert read_spec(path) == spec


def test_the_grid_must_be_the_files(classifier, spec):
    with pytest.raises(CertifyError, match="the smoothing spec is for"):
        attach_spec(linear(np.eye(3, 20), shape=(5, 4, 1), zero_point=0), spec)


def test_labels_must_be_as_many_as_classes(classifier, spec):
    with pytest.raises(CertifyError, match="names 2 labels, the file has 3 classes"):
        SmoothingSpec.for_model(classifier, sigma=1, labels=("a", "b"))
    with pytest.raises(CertifyError, match="names 2 labels, the file has 3 classes"):
        attach_spec(classifier, replace(spec, labels=("a", "b")))


@pytest.mark.parametrize("sigma", [0, -1, "nan"])
def test_bad_sigma(classifier, sigma):
    with pytest.raises(CertifyError, match="sigma must be"):
        SmoothingSpec.for_model(classifier, sigma=sigma)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2, this program reads 1"),
        ({"sigma": "0"}, "sigma must be positive"),
        ({"sigma": None}, "sigma of the smoothing spec must be a finite number"),
        ({"noise": "discrete_gaussian"}, "unknown noise 'discrete_gaussian'"),
        ({"classes": 4}, "for 4 classes, the file has 3"),
        ({"classes": 3.0}, "classes are 3.0"),
        ({"more": 1}, "unknown keys: more"),
        ({"sigma": "1e999999999"}, "exponent within 30"),
        ({"sigma": []}, "sigma of the smoothing spec must be a finite number"),
        ({"keep": 3}, "ablation, which is withdrawn"),
        ({"tests": [{}]}, "damaged sequential test"),
        ({"noise": "salt"}, "unknown noise 'salt'"),
        ({"streams": 9}, "wants stream layout 9"),
        ({"tie": "random"}, "unknown tie rule 'random'"),
        ({"labels": [1]}, "list of names"),
        ({"tables": [{}]}, "damaged radius table"),
        ({"tables": 3}, "the smoothing spec is damaged"),
        ({"grid": None}, "the smoothing spec is damaged"),
        (
            {"grid": {"dtype": "int8", "scale": 1, "zero_point": 0, "min": 0, "max": 255}},
            "grid says",
        ),
        (
            {"grid": {"dtype": "int8", "scale": "1", "zero_point": 0, "min": -128, "max": 127}},
            "grid is damaged",
        ),
    ],
)
def test_damaged_specs(classifier, spec, change, message):
    content = json.dumps({**spec.to_json(), **change}).encode()
    with pytest.raises(CertifyError, match=message):
        Certifier(write_metadata(classifier, METADATA_NAME, content), threads=1)


@pytest.mark.parametrize(
    "key", ["sigma", "noise", "streams", "tie", "grid", "labels", "tables", "tests"]
)
def test_missing_fields(classifier, spec, key):
    value = spec.to_json()
    del value[key]
    with pytest.raises(CertifyError, match=f"damaged .*{key}"):
        read_spec(write_metadata(classifier, METADATA_NAME, json.dumps(value).encode()))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"3", b"[" * 100_000])
def test_no_json(classifier, content):
    with pytest.raises(CertifyError, match="smoothing spec(:| is)"):
        read_spec(write_metadata(classifier, METADATA_NAME, content))


def test_the_unit_travels_to_every_certificate(classifier):
    named = SmoothingSpec.for_model(classifier, sigma=2, unit="feature step")
    file = attach_spec(classifier, named)
    assert read_spec(file).unit == "feature step"
    with Certifier(file, seed=0) as certifier:
        certificate = certifier.certify(np.zeros((5, 4, 1), np.int8), n0=10, n=100)
    assert certificate.unit == certificate.to_json()["unit"] == "feature step"
    assert "one LSB: feature step" in Summary([certificate]).text()


def test_files_and_certificates_of_older_versions_have_no_unit(classifier, spec):
    value = spec.to_json()
    del value["unit"]
    assert SmoothingSpec.from_json(value) == spec
    with pytest.raises(CertifyError, match="unit must be text"):
        SmoothingSpec.from_json({**value, "unit": 3})

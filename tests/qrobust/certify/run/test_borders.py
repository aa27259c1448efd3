"""What the certifier is told, and no longer believes: rows, kernels, classes."""

import json

import numpy as np
import pytest
from flatbuffers_by_hand import Graph, batch_mix, options

from qrobust.certify import Certifier, CertifyError, SmoothingSpec, attach_spec, check_offline
from qrobust.certify.cli import main
from qrobust.certify.file.row_alarm import check_rows

from ..tiny_models import linear


def drifting():
    """A foreign file: steps that are no powers of two, on which kernels round differently."""
    rng = np.random.default_rng(3)
    graph = Graph()
    x = graph.tensor((1, 20), scale=0.3, zero_point=-128)
    y = graph.dense(x, rng.integers(-9, 10, (3, 20)), scale=7.7)
    return graph.file((x,), (y,))


@pytest.mark.parametrize("trigger", [None, 100])
def test_a_network_whose_rows_mix(trigger, tmp_path, capsys):
    file = batch_mix(trigger)
    with pytest.raises(CertifyError, match="no function of one input.*MEAN"):
        Certifier(file, sigma=40, classes=2)
    (tmp_path / "m.tflite").write_bytes(file)
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 2), np.uint8), y=np.array([0, 1]))
    arguments = [str(tmp_path / name) for name in ("m.tflite", "d.npz")]
    out = str(tmp_path / "c.jsonl")
    assert main([*arguments, "--out", out, "--sigma", "40"]) == 2
    assert "MEAN" in capsys.readouterr().err
    with pytest.raises(CertifyError, match="MEAN"):
        SmoothingSpec.for_model(file, sigma=40)


def test_a_network_whose_rows_mix_is_not_attacked():
    from qrobust.attacks import TFLiteTarget

    with pytest.raises(CertifyError, match="MEAN"):
        TFLiteTarget(batch_mix(100))


def test_a_shape_that_lies():
    graph = Graph()
    x = graph.tensor((1, 2, 2, 1))
    y = graph.tensor((1, 4))  # its rows are 6 long, in truth
    pad = graph.tensor((1, 2, 2, 1))
    amount = graph.constant(np.array([[0, 0], [0, 1], [0, 0], [0, 0]], np.int32))
    graph.op("PAD", (x, amount), (pad,), options("Pad"))
    shape = graph.constant(np.array([-1, 4], np.int32))
    graph.op("RESHAPE", (pad, shape), (y,), options("Reshape"))
    with pytest.raises(CertifyError, match="is said to be|interpreter refuses"):
        Certifier(graph.file((x,), (y,)), sigma=4, classes=4)


def test_the_alarm_goes_off():
    def mixing(rows):
        return rows.astype(int) + rows.mean()

    def remembering(rows, calls=[]):  # noqa: B006 - the memory is the point
        calls.append(1)
        return rows.astype(int) + len(calls)

    check_rows(lambda rows: rows.astype(int) * 2, (64, 3), "int8")
    for run in (mixing, remembering):
        with pytest.raises(CertifyError, match="change each other's outputs"):
            check_rows(run, (64, 3), "int8")


def test_a_portable_file_says_so(classifier, images):
    with Certifier(classifier, sigma=30, classes=3, threads=1) as certifier:
        certificate = certifier.certify(images[0], n=100)
    assert certificate.portable is True
    assert certifier.file.not_portable == ""


def test_kernels_belong_to_the_claim_of_a_foreign_file(tmp_path, capsys):
    file = drifting()
    (tmp_path / "m.tflite").write_bytes(file)
    x = np.random.default_rng(0).integers(0, 256, (4, 20), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(4) % 3)
    place = [str(tmp_path / name) for name in ("m.tflite", "d.npz")]
    journal = tmp_path / "c.jsonl"
    quick = ["--n", "100", "--quiet", "--threads", "1", "--sigma", "30"]
    assert main([*place, "--out", str(journal), *quick]) == 0
    plan = check_offline(journal).head.plan
    assert (plan["portable"], plan["kernels"]) == (False, "xnnpack")
    capsys.readouterr()
    assert main(["audit", str(journal), *place, "--quiet"]) == 0
    assert main(["audit", str(journal), *place, "--quiet", "--kernels", "reference"]) == 2
    assert "about xnnpack kernels, on which its votes depend" in capsys.readouterr().err
    # A journal that calls such a file portable is not believed.
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    lines[0]["plan"] |= {"portable": True, "kernels": None, "runtime": None}
    for line in lines[1:-1]:
        line["portable"] = True
    from qrobust.certify.run.keys import KeySource, key_text, plan_hash

    from ..auditing.journals import rewritten

    lines[0]["plan_sha256"] = plan_hash(lines[0]["plan"])
    for line in lines[1:-1]:
        line["key"] = key_text(KeySource().key(lines[0]["plan"], line["index"]))
    rewritten(lines, journal)
    assert not check_offline(journal).failed
    assert main(["audit", str(journal), *place, "--quiet"]) == 2
    assert "says kernels=None of its model" in capsys.readouterr().err


def test_an_autoencoder_is_no_classifier_by_accident(tmp_path, capsys):
    file = linear(np.eye(40, dtype=np.int8))
    x = np.zeros(40, np.uint8)
    with Certifier(file, sigma=3, threads=1) as certifier:
        with pytest.raises(CertifyError, match="40 outputs are classes; if they are, say"):
            certifier.certify(x)
        with pytest.raises(CertifyError, match="classes"):
            certifier.predict(x)
    with pytest.raises(CertifyError, match="classes=39, but the file has 40"):
        Certifier(file, sigma=3, classes=39)
    (tmp_path / "m.tflite").write_bytes(file)
    np.savez(tmp_path / "d.npz", x=np.zeros((6, 40), np.uint8), y=np.arange(6))
    place = [str(tmp_path / name) for name in ("m.tflite", "d.npz")]
    quick = ["--out", str(tmp_path / "j"), "--n", "100", "--sigma", "3", "--quiet"]
    assert main([*place, *quick]) == 2
    assert "--classes 40" in capsys.readouterr().err
    assert main([*place, *quick, "--classes", "40", "--allow-constant"]) == 0
    np.savez(tmp_path / "d.npz", x=np.zeros((6, 40), np.uint8), y=np.array([0, 39, 1, 2, 3, 4]))
    (tmp_path / "j").unlink()
    assert main([*place, *quick, "--allow-constant"]) == 0  # the labels tell


def test_export_writes_the_number_of_classes(classifier, images):
    file = attach_spec(classifier, SmoothingSpec.for_model(classifier, sigma=30))
    with Certifier(file, threads=1) as certifier:
        assert certifier.spec.classes == 3
        certifier.certify(images[0], n=100)


def test_a_single_query_has_a_key_of_its_own_input(classifier, images):
    with Certifier(classifier, sigma=30, classes=3, threads=1) as certifier:
        first, again, other = (certifier.certify(images[i], n=100) for i in (0, 0, 1))
        assert first.key_level == "derived"
        assert (first.key, first.votes) == (again.key, again.votes)
        assert first.key != other.key
    with Certifier(classifier, sigma=30, classes=3, key="fresh", threads=1) as certifier:
        fresh = [certifier.certify(images[0], n=100) for _ in range(2)]
    assert len({c.key for c in fresh}) == 2
    for arguments, message in (
        ({"key": "fresh", "seed": 1}, "give one of seed, key"),
        ({"key": "secret"}, "unknown key level 'secret'"),
        ({"nonce": "x"}, "needs a nonce, its source and its round"),
        ({"key": "witnessed"}, "needs a nonce"),
        ({"seed": 1.0}, "seed must be an integer"),
    ):
        with pytest.raises(CertifyError, match=message):
            Certifier(classifier, sigma=30, **arguments)


def test_a_plan_is_printed_before_its_nonce(classifier, data, tmp_path, capsys):
    (tmp_path / "m.tflite").write_bytes(
        attach_spec(classifier, SmoothingSpec.for_model(classifier, sigma=30))
    )
    np.savez(tmp_path / "d.npz", x=data.x, y=data.y)
    place = [str(tmp_path / name) for name in ("m.tflite", "d.npz")]
    assert main([*place, "--n", "200", "--limit", "4", "--print-plan"]) == 0
    published = json.loads(capsys.readouterr().out)["plan_sha256"]
    journal = str(tmp_path / "j")
    nonce = ["--nonce", "a7", "--nonce-source", "a beacon", "--nonce-round", "12"]
    options = ["--n", "200", "--limit", "4", "--quiet", "--out", journal]
    assert main([*place, *options, *nonce]) == 0
    witness = ["--nonce", "a7", "--plan-hash", published]
    capsys.readouterr()
    assert main(["audit", journal, *place, "--quiet", *witness]) == 0
    assert "key witnessed" in capsys.readouterr().out
    assert main(["audit", journal, "--offline"]) == 0
    assert "key derived" in capsys.readouterr().out
    assert main(["audit", journal, "--offline", "--nonce", "a8", "--plan-hash", published]) == 1
    assert main([*place, "--print-plan", "--sigma", "31"]) == 2
    assert main([*place]) == 2
    assert "give --out" in capsys.readouterr().err

"""Certificates about sound: noise on the samples, the front end inside the classifier."""

from pathlib import Path

import numpy as np
import pytest

import qrobust
from qrobust.audio import front_end, mfcc, quantize_features
from qrobust.certify import CertifyError, Settings, make_data, read_certificates
from qrobust.certify.file.model_file import load_model
from qrobust.certify.file.runner import Runner

MODELS = Path(__file__).parents[3] / "models"
KEYWORDS = MODELS / "kws_dscnn_w4a8" / "model.tflite"


def clip(seed=0):
    """A tone whose loudness rises and falls, int8[16000]."""
    time = np.arange(16000) / 16000
    tone = np.sin(2 * np.pi * (300 + 200 * time) * time) * np.hanning(16000)
    noise = np.random.default_rng(seed).normal(0, 1, 16000)
    return np.clip(np.rint(90 * tone + noise), -128, 127).astype(np.int8)


@pytest.fixture(scope="module")
def certifier():
    with qrobust.SoundCertifier(KEYWORDS, sigma=2, seed=0, trusted=True) as made:
        yield made


def test_votes_are_those_of_noisy_sound(certifier):
    """Every noisy copy is drawn by the certifier's own sampler, heard and classified by hand."""
    x, index, n = clip(), 3, 40
    found = certifier.certify(x, n0=10, n=n, index=index, alpha="0.01")
    rows = certifier.copies(x, n, index=index)
    assert np.ptp(rows.astype(int) - x) > 8
    file = load_model(KEYWORDS, trusted=True)
    labels = Runner(file, batch=n, kernels="xnnpack")(quantize_features(mfcc(rows))).argmax(1)
    assert tuple(np.bincount(labels, minlength=file.classes)) == found.votes


def test_features_come_in_the_steps_that_the_file_was_trained_on(certifier):
    """Not in those of its scale of 1: steps that another certifier is told give other votes."""
    x, n = np.random.default_rng(0).integers(-60, 60, 16000).astype(np.int8), 60
    file = load_model(KEYWORDS, trusted=True)
    rows = certifier.copies(x, n, index=0)
    run = Runner(file, batch=n, kernels="xnnpack")
    by_step = {
        e: np.bincount(run(quantize_features(mfcc(rows), e)).argmax(1), minlength=file.classes)
        for e in (-1, 0, 1)
    }
    assert certifier.votes(x, n, index=0).tolist() == by_step[-1].tolist()
    told = []
    for e in (0, 1):
        with qrobust.SoundCertifier(KEYWORDS, sigma=2, seed=0, exponent=e, trusted=True) as other:
            assert other.file.sha256 != certifier.file.sha256  # it is part of the claim
            told.append(other.votes(x, n, index=0).tolist())
    assert told == [by_step[0].tolist(), by_step[1].tolist()]
    assert by_step[-1].tolist() not in told


def test_a_journal_names_the_front_end_and_is_audited(certifier, tmp_path, monkeypatch):
    data = make_data(np.stack([clip(0), clip(1)]), np.zeros(2, int))
    settings = Settings(n0=10, n=30, alpha="0.01")
    out = tmp_path / "sound.jsonl"
    made = list(certifier.certify_dataset(data, out=out, settings=settings))
    again = list(read_certificates(out))
    assert len(made) == len(again) == 2
    assert "front end" in made[0].runtime and "NumPy" in made[0].runtime
    assert made[0].kernels == "callable" and "2^-7 of full scale" in out.read_text()
    monkeypatch.setattr(front_end, "_FILES", front_end._FILES[:-1])
    with qrobust.SoundCertifier(KEYWORDS, sigma=2, seed=0, trusted=True) as other:
        assert other.file.sha256 != certifier.file.sha256
        with pytest.raises(CertifyError):
            list(other.certify_dataset(data, out=out, settings=settings))


def test_a_file_of_pictures_is_refused():
    with pytest.raises(ValueError, match="a keyword file takes"):
        qrobust.SoundCertifier(MODELS / "digits" / "model.tflite", sigma=2, trusted=True)


@pytest.mark.parametrize("kind", ["int16", "uint8", "int32", "float32"])
def test_samples_of_another_width_are_refused_however_quiet(certifier, tmp_path, kind):
    """A quiet clip of 16 bits fits into 8; behind the front end nothing tells the two apart."""
    x = np.abs(clip() // 4).astype(kind)
    with pytest.raises(CertifyError, match=f"clips are int8.*Received: {kind}"):
        certifier.certify(x, n0=10, n=30, alpha="0.01")
    for method in (certifier.classify, certifier.predict):
        with pytest.raises(CertifyError, match="clips are int8"):
            method(x)
    data, settings = make_data(x[None], np.zeros(1, int)), Settings(n0=10, n=30, alpha="0.01")
    with pytest.raises(CertifyError, match="clips are int8"):
        list(certifier.certify_dataset(data, out=tmp_path / "a.jsonl", settings=settings))


@pytest.mark.parametrize("exponent", [0.5, "-1", True, 7, -7, 2000])
def test_steps_in_which_8_bits_hold_no_features_are_refused(exponent):
    with pytest.raises(ValueError, match="exponent.*Received"):
        qrobust.SoundCertifier(KEYWORDS, sigma=2, exponent=exponent, trusted=True)
    with qrobust.SoundCertifier(KEYWORDS, sigma=2, exponent=np.int64(-1), trusted=True) as made:
        assert "steps of 2^-1" in made.runtime

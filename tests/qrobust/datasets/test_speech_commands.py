import wave
from itertools import product

import numpy as np
import pytest

from qrobust.audio import eight_bits, fit_clip, mfcc, quantize_features
from qrobust.datasets import KEYWORDS, speaker_split, speech_commands

# One speaker of each part, by the publisher's hash.
SPEAKERS = {"train": "00176480", "validation": "026290a7", "test": "0c40e715"}


def write(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.asarray(samples, "<i2").tobytes())


def sound(number, length=16_000):
    rng = np.random.default_rng(number)
    return (rng.normal(0, 1_000, length) + 3 * number).astype(np.int16)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "speech_commands"
    for number, word in enumerate(("yes", "no", "bird")):
        for index, speaker in enumerate(SPEAKERS.values()):
            for take in (0, 1):
                clip = sound(10 * number + index + take)
                write(root / word / f"{speaker}_nohash_{take}.wav", clip)
    write(root / "_background_noise_" / "hum.wav", sound(99, length=16_000 * 20))
    return root


def test_words_in_the_order_asked_for(folder):
    data = speech_commands(folder.parent, ["yes", "no"], features="waveform")
    assert data.class_names == ("yes", "no")
    for index, part in enumerate((data.train, data.validation, data.test)):
        assert part.x.dtype == np.int16 and part.x.shape == (4, 16_000)
        assert sorted(part.y.tolist()) == [0, 0, 1, 1]
        wanted = sound(10 + index + 1)
        assert [np.array_equal(x, wanted) for x in part.x[part.y == 1]].count(True) == 1
    assert data.train.y.tolist() == [0, 0, 1, 1]


def test_all_words_without_the_background(folder):
    assert speech_commands(folder).class_names == ("bird", "no", "yes")


def test_features_are_on_the_grid(folder):
    sounds = speech_commands(folder, features="waveform")
    for exponent in (-1, 1):
        data = speech_commands(folder, exponent=exponent)
        assert data.train.x.dtype == np.int8 and data.train.x.shape == (6, 49, 10, 1)
        wanted = quantize_features(mfcc(sounds.train.x), exponent)
        np.testing.assert_array_equal(data.train.x, wanted)
        assert f"2^{exponent} each" in data.unit


def test_clips_of_other_lengths(folder):
    name = f"{SPEAKERS['train']}_nohash_0.wav"
    write(folder / "bird" / name, sound(1, length=9_000))
    write(folder / "no" / name, sound(2, length=17_000))
    data = speech_commands(folder, features="waveform")
    np.testing.assert_array_equal(data.train.x[0], fit_clip(sound(1, length=9_000)))
    np.testing.assert_array_equal(data.train.x[2], sound(2, length=17_000)[:16_000])


def test_silence_and_unknown(folder):
    words = ["no", "silence", "yes", "unknown"]
    data = speech_commands(folder, words, features="waveform")
    # A second every half second of 16, 2 and 2 seconds.
    for part, silent in ((data.train, 31), (data.validation, 3), (data.test, 3)):
        assert np.bincount(part.y).tolist() == [2, silent, 2, 2]
    noise = sound(99, length=16_000 * 20)
    np.testing.assert_array_equal(data.train.x[data.train.y == 1][30], noise[240_000:256_000])
    np.testing.assert_array_equal(data.test.x[data.test.y == 1][2], noise[-16_000:])
    birds = {sound(20 + take).tobytes() for take in (0, 1)}
    assert {clip.tobytes() for clip in data.train.x[data.train.y == 3]} == birds


def test_unknown_is_as_frequent_as_a_word(folder):
    for number in range(30):
        write(folder / "bird" / f"{SPEAKERS['train']}_nohash_{number}.wav", sound(number))
    data = speech_commands(folder, ["yes", "no", "unknown"])
    assert np.bincount(data.train.y).tolist() == [2, 2, 2]


@pytest.mark.parametrize("words", [None, ["yes", "no", "silence", "unknown"]])
def test_without_test_speakers_the_validation_speakers_are_tested_on(folder, words):
    whole = speech_commands(folder, words)
    for path in folder.glob(f"*/{SPEAKERS['test']}_*.wav"):
        path.unlink()
    data = speech_commands(folder, words)
    assert data.validation is None
    np.testing.assert_array_equal(data.test.x, whole.validation.x)


def test_nobody_to_test_on(folder):
    for part in ("validation", "test"):
        for path in folder.glob(f"*/{SPEAKERS[part]}_*.wav"):
            path.unlink()
    with pytest.raises(ValueError, match=r"others to test on. It has speakers of: \['train'\]"):
        speech_commands(folder)


def test_missing_word(folder):
    with pytest.raises(FileNotFoundError, match=r"'down'. It has: \['bird', 'no', 'yes'\]"):
        speech_commands(folder, KEYWORDS)


def test_nothing_unknown(folder):
    with pytest.raises(FileNotFoundError, match="'unknown'"):
        speech_commands(folder, ["yes", "no", "bird", "unknown"])


def test_no_background(folder):
    (folder / "_background_noise_" / "hum.wav").unlink()
    with pytest.raises(FileNotFoundError, match="'silence'.*_background_noise_"):
        speech_commands(folder, ["yes", "no", "silence"])


@pytest.mark.parametrize("words", [["yes"], ["yes", "no", "yes"], []])
def test_too_few_or_double_words(folder, words):
    with pytest.raises(ValueError, match="Two or more different words"):
        speech_commands(folder, words)


def test_unreadable_clip(folder):
    (folder / "no" / f"{SPEAKERS['test']}_nohash_0.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match="no/0c40e715_nohash_0.wav is no PCM WAV"):
        speech_commands(folder)


def test_empty_clip(folder):
    write(folder / "no" / f"{SPEAKERS['test']}_nohash_0.wav", [])
    with pytest.raises(ValueError, match="0c40e715_nohash_0.wav holds no samples"):
        speech_commands(folder)


def test_unknown_kind_of_features(folder):
    with pytest.raises(ValueError, match="Received: 'fbank'"):
        speech_commands(folder, features="fbank")


def test_real_data(real_data):
    data = speech_commands(real_data, ["up", "down"])
    assert len(data.train) > 1_000
    assert data.train.x.shape[1:] == (49, 10, 1)


def test_noise_on_the_sound_of_training_clips_alone(folder):
    plain = speech_commands(folder)
    noisy = speech_commands(folder, noise=2, copies=3)
    assert noisy.train.x.shape == (18, 49, 10, 1) and len(noisy.test) == len(plain.test)
    assert noisy.train.y.tolist() == plain.train.y.repeat(3).tolist()
    assert not np.array_equal(noisy.train.x[0], noisy.train.x[1])
    sounds = speech_commands(folder, features="waveform")
    heard = quantize_features(mfcc(eight_bits(sounds.test.x)))
    np.testing.assert_array_equal(noisy.test.x, heard)
    np.testing.assert_array_equal(noisy.train.x, speech_commands(folder, noise=2, copies=3).train.x)


@pytest.mark.parametrize(
    "options",
    [
        {"noise": -1},
        {"copies": 2},
        {"noise": 1, "features": "waveform"},
        {"copies": 0},
        {"noise": np.nan, "copies": 0},
        {"clean_copies": 1},
        {"noise": 1, "clean_copies": -1},
    ],
)
def test_noise_that_cannot_be(folder, options):
    with pytest.raises(ValueError, match="`noise` is a sigma"):
        speech_commands(folder, **options)


def test_copies_without_noise_beside_the_noisy_ones(folder):
    noisy = speech_commands(folder, noise=2, copies=3)
    both = speech_commands(folder, noise=2, copies=3, clean_copies=2)
    heard = eight_bits(speech_commands(folder, features="waveform").train.x)
    clean = np.repeat(quantize_features(mfcc(heard)), 2, axis=0)
    np.testing.assert_array_equal(both.train.x, np.concatenate([noisy.train.x, clean]))
    assert both.train.y.tolist() == [*noisy.train.y, *both.train.y[-len(clean) :]]
    assert both.train.y[-len(clean) :: 2].tolist() == noisy.train.y[::3].tolist()
    np.testing.assert_array_equal(both.test.x, noisy.test.x)


def test_groups_are_of_whole_speakers_and_share_nobody(folder):
    """Five training speakers of two clips a word: groups of ten clips are of two of them each."""
    for path in folder.glob(f"*/{SPEAKERS['validation']}*"):
        path.unlink()
    names = [SPEAKERS["train"], *[n for n in map("{:08x}".format, range(200)) if is_trained(n)][:4]]
    said = {}
    for number, (speaker, word, take) in enumerate(product(names, ("yes", "no", "bird"), (0, 1))):
        clip = sound(1000 + number)
        write(folder / word / f"{speaker}_nohash_{take}.wav", clip)
        said[clip.tobytes()] = speaker
    held = []
    for fold in (0, 1):
        data = speech_commands(folder, features="waveform", held_out=10, held_out_fold=fold)
        assert (len(data.validation), len(data.train)) == (12, 18)
        held.append({said[clip.tobytes()] for clip in data.validation.x})
        assert held[fold].isdisjoint(said[clip.tobytes()] for clip in data.train.x)
    assert list(map(len, held)) == [2, 2] and not held[0] & held[1]
    default = speech_commands(folder, features="waveform", held_out=10).validation
    assert {said[clip.tobytes()] for clip in default.x} == held[0]
    with pytest.raises(ValueError, match="2 groups of 10 clips"):
        speech_commands(folder, held_out=10, held_out_fold=2)


@pytest.mark.parametrize("options", [(0, 1), (-1, 0), (-5, 3), (10, -1)])
def test_groups_that_cannot_be(folder, options):
    with pytest.raises(ValueError, match="a fold needs somebody held out"):
        speech_commands(folder, held_out=options[0], held_out_fold=options[1])


def is_trained(speaker):
    return speaker_split(f"{speaker}_nohash_0.wav") == "train"


def test_whole_speakers_are_held_out(folder):
    with pytest.raises(ValueError, match="validation speakers already"):
        speech_commands(folder, held_out=1)
    for path in folder.glob(f"*/{SPEAKERS['validation']}*"):
        path.unlink()
    with pytest.raises(ValueError, match="Nobody is left"):
        speech_commands(folder, held_out=1)
    for word in ("yes", "no", "bird"):
        for take in range(2):
            write(folder / word / f"00f0204f_nohash_{take}.wav", sound(500 + take))
    assert speaker_split("00f0204f_nohash_0.wav") == "train"
    data = speech_commands(folder, held_out=1)
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 6, 6)


def test_unknown_words_are_not_the_first_clips_however_many_there_are(tmp_path):
    """Few of many are taken: the smallest of their hashes, were they mixed by the same one."""
    short = np.zeros(160, np.int16)
    for word, takes in (("yes", 12), ("no", 12), ("bird", 150)):
        for speaker in SPEAKERS.values():
            for take in range(takes):
                write(tmp_path / word / f"{speaker}_nohash_{take}.wav", short)
    test = speech_commands(tmp_path, ["yes", "no", "unknown"], features="waveform").test
    assert np.bincount(test.y).tolist() == [12, 12, 12]
    assert np.bincount(test.y[:12], minlength=3).min() >= 2

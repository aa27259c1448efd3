import wave

import numpy as np
import pytest

from qrobust.audio import read_wav


def write(path, samples, *, rate=16_000, channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setframerate(rate)
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.writeframes(samples.tobytes())
    return path


def test_reads_what_was_written(tmp_path):
    samples = np.array([-32768, -1, 0, 1, 32767], np.int16)
    read = read_wav(write(tmp_path / "a.wav", samples))
    assert read.dtype == np.int16
    np.testing.assert_array_equal(read, samples)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"rate": 8_000}, "8000 Hz, 1 channels, 16 bits"),
        ({"channels": 2}, "16000 Hz, 2 channels, 16 bits"),
        ({"width": 1}, "16000 Hz, 1 channels, 8 bits"),
    ],
)
def test_other_formats(tmp_path, options, found):
    path = write(tmp_path / "a.wav", np.zeros(8, np.int16), **options)
    with pytest.raises(ValueError, match=f"a.wav.*Found: {found}"):
        read_wav(path)


def test_cut_short(tmp_path):
    path = write(tmp_path / "a.wav", np.ones(100, np.int16))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"a\.wav is cut short: 150 of 200 bytes"):
        read_wav(path)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"no sound at all, just some text in a file"])
def test_no_wav_at_all(tmp_path, data):
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.wav is no PCM WAV file"):
        read_wav(path)


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_wav(tmp_path / "none.wav")

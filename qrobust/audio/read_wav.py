"""Reading the one kind of WAV file that the keyword task uses."""

import os
import wave

import numpy as np

SAMPLE_RATE = 16_000  # Hz


def read_wav(path: str | os.PathLike[str]) -> np.ndarray:
    """Samples of a 16 kHz, mono, 16-bit PCM file.

    Args:
        path: The file.

    Returns:
        int16 `(samples,)`, in LSB of 2^-15 of full scale.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no WAV file, is cut short, or has another rate, width or number of
            channels.  Nothing is resampled or mixed down.
    """
    path = os.fspath(path)
    try:
        with wave.open(path, "rb") as file:
            found = (file.getframerate(), file.getnchannels(), 8 * file.getsampwidth())
            frames = file.getnframes()
            data = file.readframes(frames)
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is no PCM WAV file: {error or 'it ends too early'}") from error
    if found != (SAMPLE_RATE, 1, 16):
        raise ValueError(
            f"{path} has to hold 16000 Hz, 1 channel, 16 bits. "
            f"Found: {found[0]} Hz, {found[1]} channels, {found[2]} bits"
        )
    if len(data) != 2 * frames:
        raise ValueError(f"{path} is cut short: {len(data)} of {2 * frames} bytes of samples")
    return np.frombuffer(data, "<i2").astype(np.int16)

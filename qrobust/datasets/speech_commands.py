"""Speech Commands from the publisher's folders of WAV files."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from qrobust.audio.eight_bits import eight_bits
from qrobust.audio.fit_clip import CLIP_SAMPLES, fit_clip
from qrobust.audio.mfcc import mfcc
from qrobust.audio.quantize_features import FEATURE_EXPONENT, quantize_features
from qrobust.audio.read_wav import read_wav
from qrobust.datasets._layout import find
from qrobust.datasets.dataset import Dataset
from qrobust.datasets.speaker_split import speaker_split
from qrobust.datasets.split import Split

# The labels of MLPerf Tiny's keyword task, in the order of its reference model's outputs.
KEYWORDS = (
    "down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown",
)  # fmt: skip

_BACKGROUND = "_background_noise_"
_NOISE_SEED = 1804
_CLIPS_AT_ONCE = 256  # bounds the memory while features are computed


class _Clip(NamedTuple):
    path: Path
    start: int  # first sample
    label: int


def speech_commands(
    folder: str | os.PathLike[str] | None = None,
    words: Sequence[str] | None = None,
    *,
    features: Literal["mfcc", "waveform"] = "mfcc",
    exponent: int = FEATURE_EXPONENT,
    noise: float = 0.0,
    copies: int = 1,
    clean_copies: int = 0,
    held_out: int = 0,
    held_out_fold: int = 0,
) -> Dataset:
    """One-second spoken words, split by speaker as the publisher does.

    Reads `WORD/SPEAKER_nohash_N.wav` (16 kHz, mono, 16 bits) in `speech_commands` (also with
    `_v0.01` or `_v0.02`) or in the folder itself.  Shorter clips are padded with zeros, longer ones
    cut.  Where a copy has no clips of the publisher's test speakers, its validation speakers are
    the test part and there is no validation part; speakers never appear in two parts. Test and
    validation parts are in the order of SHA-1("word/file"), which mixes words and speakers.

    Two of the words in `words` have a meaning of their own:

    * "unknown": clips of all words that were not asked for, in each part as many as an asked word
      has on average (MLPerf Tiny takes all of them), chosen by SHA-1("word/file").
    * "silence": one second every half second of the files in `_background_noise_`; the first 80 %
      of each file for training, then 10 % for validation and 10 % for test.

    Args:
        folder: Where to look; None as in `data_folder`.
        words: Classes in the order of their labels, for instance `KEYWORDS`; None: every word
            that has a folder, in alphabetical order.
        features: "mfcc" for the quantized features of `qrobust.audio`, "waveform" for samples.
        exponent: Grid of the features, as in `quantize_features`; not used for waveforms.
        noise: Sigma of rounded Gaussian noise on the samples of training clips, before their
            features, in steps of 2^-7 of full scale; samples of all parts are then rounded to 8
            bits first (`eight_bits`), as `qrobust.SoundCertifier` takes them.
        copies: Noisy copies of each training clip; one where there is no noise.
        clean_copies: Beside them, copies without noise (all the same), where there is noise.
        held_out: Where there is no validation part: all clips of the first training speakers, in
            the order of SHA-256 of their names, that have so many clips become one.
        held_out_fold: Passes so many such groups over first, so that groups of other numbers
            share nobody, for cross-validation. Speakers who are left after the last whole group
            are in none.

    Returns:
        int8 `(49, 10, 1)` features or int16 `(16000,)` samples, with a validation part if the
        files allow.

    Raises:
        FileNotFoundError: No folders with WAV files, or none for an asked word.
        ValueError: Words asked twice, fewer than two classes, nobody to train or to test on, a file
            that is no such WAV file, an unknown `features`, noise or copies that cannot be, or
            speakers to hold out where there is a validation part, nobody is left, or there are
            too few groups for the fold.

    Source:
        Warden 2018 (arXiv 1804.03209), versions 0.01 and 0.02.
    """
    if features not in ("mfcc", "waveform"):
        raise ValueError(f"`features` has to be 'mfcc' or 'waveform'. Received: {features!r}")
    if (
        not noise >= 0
        or copies < 1
        or clean_copies < 0
        or ((copies > 1 or clean_copies) and not noise)
        or (noise and features != "mfcc")
    ):
        raise ValueError(
            "`noise` is a sigma of 0 or more, for features; `copies` is 1 or more and "
            "`clean_copies` 0 or more, 1 and 0 without noise. Received: "
            f"noise={noise}, copies={copies}, clean_copies={clean_copies}, features={features!r}"
        )
    if min(held_out, held_out_fold) < 0 or (held_out_fold and not held_out):
        raise ValueError(
            "`held_out` and `held_out_fold` are 0 or more, and a fold needs somebody held out. "
            "Received: "
            f"held_out={held_out}, held_out_fold={held_out_fold}"
        )
    place = find(
        folder,
        name="Speech Commands",
        subfolders=("speech_commands", "speech_commands_v0.02", "speech_commands_v0.01"),
        holds=lambda p: any(p.glob("*/*.wav")),
        fill="Unpack the publisher's speech_commands_v0.02.tar.gz there (one folder a word).",
    )
    found = sorted({path.parent.name for path in place.glob("[!_.]*/*.wav")})
    words = tuple(found if words is None else words)
    if len(words) < 2 or len(set(words)) != len(words):
        raise ValueError(f"Two or more different words are needed. Received: {words}, in {place}")
    parts = _spoken(place, words, found)
    spoken = {part for part, clips in parts.items() if clips}
    if "unknown" in words:
        _add_unknown(parts, place, words, found)
    if "silence" in words:
        _add_silence(parts, place, words.index("silence"))
    if "train" not in spoken or len(spoken) < 2:
        raise ValueError(
            f"{place} needs speakers to train on and others to test on. It has speakers of: "
            f"{sorted(spoken) or 'no part'}"
        )
    if "test" not in spoken:
        parts["test"] = parts.pop("validation")
    elif "validation" not in spoken:
        del parts["validation"]
    if held_out:
        _hold_speakers(parts, held_out, held_out_fold)
    for part in parts.keys() - {"train"}:
        # Mixed, so that the first examples of a test part are a fair sample of its words.
        parts[part].sort(key=lambda clip: _sha1(f"{clip.path.parent.name}/{clip.path.name}"))
    road = _Road(exponent if features == "mfcc" else None, noise, copies, clean_copies)
    return Dataset(
        name="speech_commands",
        class_names=words,
        unit=(
            f"feature step (quantized MFCC, 2^{exponent} each)"
            if features == "mfcc"
            else "sample step (2^-15 of full scale)"
        ),
        **{part: _load(clips, road.of(part)) for part, clips in parts.items()},
    )


def _spoken(place: Path, words: tuple[str, ...], found: list[str]) -> dict[str, list[_Clip]]:
    """Clips of the words that have a folder of their own, by part."""
    parts: dict[str, list[_Clip]] = {"train": [], "validation": [], "test": []}
    for label, word in enumerate(words):
        if word in ("silence", "unknown"):
            continue
        if word not in found:
            raise FileNotFoundError(f"{place} has no WAV files for {word!r}. It has: {found}")
        for path in sorted((place / word).glob("*.wav")):
            parts[speaker_split(path.name)].append(_Clip(path, 0, label))
    return parts


def _hold_speakers(parts: dict[str, list[_Clip]], count: int, fold: int) -> None:
    """Move all that some training speakers said to the validation part: group `fold` of them."""
    if "validation" in parts:
        raise ValueError("There are validation speakers already: choose by them, hold nobody out.")
    by_speaker: dict[str, list[_Clip]] = {}
    for clip in parts["train"]:
        speaker, is_speech, _ = clip.path.name.partition("_nohash_")
        if is_speech:
            by_speaker.setdefault(speaker, []).append(clip)
    groups: list[set[_Clip]] = [set()]
    for speaker in sorted(by_speaker, key=lambda name: hashlib.sha256(name.encode()).hexdigest()):
        if len(groups[-1]) >= count:
            groups.append(set())
        groups[-1].update(by_speaker[speaker])
    if len(groups) == 1 or len(groups[-1]) < count:  # the last ones, who are too few
        groups.pop()
    if fold >= len(groups):
        raise ValueError(
            f"Nobody is left to train on, or to hold out: {len(groups)} groups of {count} clips "
            f"or more can be held out. Received: held_out={count}, held_out_fold={fold}"
        )
    held = groups[fold]
    parts["validation"] = [clip for clip in parts["train"] if clip in held]
    parts["train"] = [clip for clip in parts["train"] if clip not in held]


def _add_unknown(
    parts: dict[str, list[_Clip]], place: Path, words: tuple[str, ...], found: list[str]
) -> None:
    others = [path for word in found if word not in words for path in (place / word).glob("*.wav")]
    if not others:
        raise FileNotFoundError(
            f"{place} has no other words to serve as 'unknown'. It has: {found}"
        )
    # By another hash than the one that mixes a part: else these clips would be its first.
    others.sort(key=lambda p: _sha1(f"unknown/{p.parent.name}/{p.name}"))
    spoken = sum(word not in ("silence", "unknown") for word in words)
    for part, clips in parts.items():
        members = [path for path in others if speaker_split(path.name) == part]
        limit = round(len(clips) / max(1, spoken))
        clips += [_Clip(path, 0, words.index("unknown")) for path in members[:limit]]


def _add_silence(parts: dict[str, list[_Clip]], place: Path, label: int) -> None:
    paths = sorted((place / _BACKGROUND).glob("*.wav"))
    if not paths:
        raise FileNotFoundError(f"'silence' needs WAV files in {place / _BACKGROUND}")
    for path in paths:
        samples = len(read_wav(path))
        bounds = [0, samples * 8 // 10, samples * 9 // 10, samples]
        # `parts` is in the order train, validation, test.
        for clips, low, high in zip(parts.values(), bounds[:-1], bounds[1:], strict=True):
            starts = range(low, high - CLIP_SAMPLES + 1, CLIP_SAMPLES // 2)
            clips += [_Clip(path, start, label) for start in starts]


def _load(clips: list[_Clip], road: "_Road") -> Split:
    """What the road makes of the clips, in their order, each as often as it says."""
    rng = np.random.default_rng(_NOISE_SEED)
    noisy = [clip for clip in clips for _ in range(road.copies)]
    clean = [clip for clip in clips for _ in range(road.clean_copies)]
    parts = [*_along(road, noisy, rng), *_along(road._replace(noise=0), clean, rng)]
    return Split(np.concatenate(parts), np.array([clip.label for clip in [*noisy, *clean]]))


def _along(road: "_Road", clips: list[_Clip], rng: np.random.Generator) -> Iterator[np.ndarray]:
    for start in range(0, len(clips), _CLIPS_AT_ONCE):
        some = clips[start : start + _CLIPS_AT_ONCE]
        yield road.along(np.stack([_samples(clip) for clip in some]), rng)


class _Road(NamedTuple):
    """From 16-bit samples to what a network takes."""

    exponent: int | None  # of the features' grid; None: samples
    noise: float
    copies: int
    clean_copies: int
    eight: bool = False

    def of(self, part: str) -> "_Road":
        """Only training clips get noise and copies; all get 8 bits where there is noise."""
        eight = self.noise > 0
        return (
            self._replace(eight=eight) if part == "train" else _Road(self.exponent, 0, 1, 0, eight)
        )

    def along(self, samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.exponent is None:
            return samples
        heard = eight_bits(samples) if self.eight else samples
        if self.noise:
            added = np.rint(self.noise * rng.standard_normal(heard.shape, np.float32))
            heard = np.clip(heard + added, -128, 127)
        return quantize_features(mfcc(heard), self.exponent)


def _samples(clip: _Clip) -> np.ndarray:
    samples = read_wav(clip.path)
    if samples.size == 0:
        raise ValueError(f"{clip.path} holds no samples")
    return fit_clip(samples[clip.start :])


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

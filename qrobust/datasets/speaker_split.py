"""The publisher's split of Speech Commands by speaker."""

import hashlib
import re
from typing import Literal

_SPEAKERS = 2**27 - 1  # the publisher's MAX_NUM_WAVS_PER_CLASS


def speaker_split(file_name: str) -> Literal["train", "validation", "test"]:
    """Part that a clip belongs to: validation 10 %, test 10 %, the rest for training.

    The SHA-1 of what stands before `_nohash_`, modulo 2^27, as a percentage: below 10 is
    validation, below 20 is test.  All clips of a speaker get the same part, and a clip keeps its
    part when others are added.

    Args:
        file_name: Name of the WAV file without its folder, `SPEAKER_nohash_N.wav`.

    Returns:
        "train", "validation" or "test".

    Source:
        The data set's README.md, `which_set`; Warden 2018 (arXiv 1804.03209), section 7.
    """
    speaker = re.sub(r"_nohash_.*$", "", file_name)
    digest = hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest()
    percentage = int(digest, 16) % (_SPEAKERS + 1) * (100.0 / _SPEAKERS)
    if percentage < 10:
        return "validation"
    return "test" if percentage < 20 else "train"

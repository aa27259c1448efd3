"""What happens by itself: noise, blur, weather, compression, sensors; for sound noise, time, level.

Integers in, integers out, the same for one seed whatever the batch. No attacker chooses anything
here, and nothing is certified.
"""

from qrobust.corruptions.accuracy import Corrupted, corrupted_accuracy
from qrobust.corruptions.corrupt import KINDS, STRENGTHS, corrupt
from qrobust.corruptions.pictures import PICTURES
from qrobust.corruptions.sounds import SOUNDS

__all__ = [
    "KINDS",
    "PICTURES",
    "SOUNDS",
    "STRENGTHS",
    "Corrupted",
    "corrupt",
    "corrupted_accuracy",
]

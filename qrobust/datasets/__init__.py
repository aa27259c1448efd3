"""Loaders for data sets in their publishers' own layouts, as integers on the input grid.

Nothing is downloaded.  A loader looks in the folder it is given, else in the folder that the
environment variable QROBUST_DATA names, else in `./data`, and says what it missed.
"""

from qrobust.datasets.caltech101 import caltech101
from qrobust.datasets.cifar10 import cifar10
from qrobust.datasets.data_folder import data_folder
from qrobust.datasets.dataset import Dataset
from qrobust.datasets.digits import digits
from qrobust.datasets.hold_out import hold_out
from qrobust.datasets.mnist import mnist
from qrobust.datasets.own_data import own_data
from qrobust.datasets.speaker_split import speaker_split
from qrobust.datasets.speech_commands import KEYWORDS, speech_commands
from qrobust.datasets.split import Split
from qrobust.datasets.svhn import svhn

__all__ = [
    "KEYWORDS",
    "Dataset",
    "Split",
    "caltech101",
    "cifar10",
    "data_folder",
    "digits",
    "hold_out",
    "mnist",
    "own_data",
    "speaker_split",
    "speech_commands",
    "svhn",
]

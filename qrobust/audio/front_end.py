"""Which front end it was: part of every claim about sound."""

import hashlib
from importlib import resources

import numpy as np

#: What turns a clip into features, in the order in which it is hashed.
_FILES = ("fit_clip.py", "eight_bits.py", "mel_matrix.py", "mfcc.py", "quantize_features.py")


def front_end_sha256() -> str:
    """SHA-256 of the front end's sources and of NumPy's version.

    The features are floating point on the way: another NumPy may round a Fourier transform
    otherwise and give another feature. So a claim about sound is about one front end, by hash, on
    one NumPy, and whoever audits it has both or learns that he has not. The processor is not in it:
    NumPy picks kernels (AVX2, AVX-512, a BLAS's) by it, and the last bit of a logarithm or a matrix
    product may differ under the same hash.
    """
    found = hashlib.sha256(f"numpy {np.__version__}\n".encode())
    for name in _FILES:
        content = (resources.files(__package__) / name).read_bytes()
        found.update(hashlib.sha256(content).digest())
    return found.hexdigest()

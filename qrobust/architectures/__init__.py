"""Float Keras 3 networks, ready for `qrobust.quantize`.

Plain Keras layers only.  Every network takes integers on its input grid (pixels 0..255, or
quantized features), starts with an optional power-of-two `Rescaling`, and ends in logits.
"""

from qrobust.architectures.autoencoder import autoencoder
from qrobust.architectures.denoiser import denoiser
from qrobust.architectures.digits_cnn import digits_cnn
from qrobust.architectures.ds_cnn import ds_cnn
from qrobust.architectures.mobilenet_v1 import mobilenet_v1
from qrobust.architectures.proof_cnn import proof_cnn
from qrobust.architectures.resnet8 import resnet8
from qrobust.architectures.resnet20 import resnet20
from qrobust.architectures.stq_net import stq_net

__all__ = [
    "autoencoder",
    "denoiser",
    "digits_cnn",
    "ds_cnn",
    "mobilenet_v1",
    "resnet8",
    "proof_cnn",
    "resnet20",
    "stq_net",
]

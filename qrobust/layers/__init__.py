"""Keras layers: noise, smoothing losses and Jacobian penalties, folded batch norm, exact pooling.

All serialize with the model; at export they become integers or are gone.
"""

from qrobust.layers import lowering  # noqa: F401  (tells the exporter about the layers)
from qrobust.layers.ablation_noise import AblationNoise
from qrobust.layers.band_noise import BandNoise
from qrobust.layers.batch_normalization import BatchNormalization
from qrobust.layers.boundary_samples import BoundarySamples
from qrobust.layers.consistency import Consistency
from qrobust.layers.conv2d_batch_norm import Conv2DBatchNorm
from qrobust.layers.dense_batch_norm import DenseBatchNorm
from qrobust.layers.depthwise_conv2d_batch_norm import DepthwiseConv2DBatchNorm
from qrobust.layers.distillation import Distillation
from qrobust.layers.grid_noise import GridNoise
from qrobust.layers.integer_global_average_pooling2d import IntegerGlobalAveragePooling2D
from qrobust.layers.interval_bounds import IntervalBounds
from qrobust.layers.jacobian_regularized import JacobianRegularized
from qrobust.layers.macer import Macer
from qrobust.layers.smooth_adversarial import SmoothAdversarial
from qrobust.layers.split_noise import SplitNoise
from qrobust.layers.weight_distribution import WeightDistribution

__all__ = [
    "AblationNoise",
    "BandNoise",
    "BatchNormalization",
    "BoundarySamples",
    "Consistency",
    "Conv2DBatchNorm",
    "DenseBatchNorm",
    "DepthwiseConv2DBatchNorm",
    "Distillation",
    "GridNoise",
    "IntegerGlobalAveragePooling2D",
    "IntervalBounds",
    "JacobianRegularized",
    "Macer",
    "SmoothAdversarial",
    "SplitNoise",
    "WeightDistribution",
]

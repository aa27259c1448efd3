"""Least and greatest values of a recipe's numbers, and the words that its fields may be."""

from collections.abc import Mapping

from qrobust.certify.methods.settings import LONGEST_MS, MOST_SAMPLES

#: Views that hide most of a picture: the file takes twice the data's channels.
MASKED = ("bands", "blocks", "ablation")
#: Field -> least and greatest value. Generous: far beyond what anybody trains.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),
    "data.shape": (1, 1 << 14),
    "data.held_out": (0, 2**31),
    "data.held_out_fold": (0, 10**6),
    "data.split_seed": (0, 2**32 - 1),
    "network.member_weights": (0, 31),
    "data.sound_noise": (0, 127),
    "data.copies": (1, 1000),
    "data.clean_copies": (0, 1000),
    "defence.sigma": (0, 1e4),
    "defence.size": (0, 1 << 16),
    "defence.threshold": (0, 255),
    "defence.jacobian": (0, 1e6),
    "defence.consistency": (0, 1e6),
    "defence.distillation": (0, 1e6),
    "defence.smooth_adversarial": (0, 1e6),
    "defence.macer": (0, 1e6),
    "defence.boundary": (0, 1e6),
    "defence.boundary_share": (0.01, 1),
    "defence.weight_spread": (0, 100),
    "defence.weight_entropy": (0, 1e6),
    "defence.ibp": (0, 255),
    "defence.ibp_kappa": (0, 1),
    "defence.ibp_warmup": (0, 10**6),
    "defence.ibp_ramp": (0, 10**6),
    "training.epochs": (0, 10**6),
    "training.float_epochs": (0, 10**6),
    "training.frozen_epochs": (0, 10**6),
    "training.measured": (0, 2**20),
    "training.batch_size": (1, 2**20),
    "training.learning_rate": (1e-12, 1e3),
    "training.float_learning_rate": (0, 1e3),
    "training.average": (0, 0.999999),
    "training.watch": (0, 2**31),
    "certification.images": (0, 2**31),
    "certification.radii": (0, 1e6),
    "certification.sigma": (0, 1e4),
    "certification.n0": (1, MOST_SAMPLES),
    "certification.n": (1, MOST_SAMPLES),
    "certification.settings.n0": (1, MOST_SAMPLES),
    "certification.settings.n": (1, MOST_SAMPLES),
    "certification.settings.deadline_ms": (1, LONGEST_MS),
    "parity.inputs": (1, 2**31),
    "attack.images": (0, 2**31),
    "attack.epsilon": (0, 1e6),
    "proof.images": (0, 2**31),
    "proof.radii": (1, 255),
    "proof.boxes": (0, 10**9),
    "corruption.images": (0, 2**31),
    "defence.mixed": (0, 0.99),
    "verify.images": (1, 2**31),
    "verify.budget": (1, 10**9),
    "verify.radii": (1, 255),
    "verify.boxes": (0, 10**9),
    "quantization.weight_bits": (1, 8),
    "quantization.activation_bits": (1, 8),
    "quantization.weight_schedule": (1, 8),
    "quantization.calibration": (0, 512),
}
#: Numbers of ``[network] options``: widths, depths, rates.
OPTION_BOUNDS = (0, 2**16)
#: Options that count something: none of them may be 0.
COUNTS = frozenset({"width", "depth", "filters", "units", "classes"})
CHOICES = {
    "data.fit": ("crop", "stretch", "exact"),
    "data.augment": ("none", "crop_flip", "corrupt", "families", "time_shift"),
    "defence.attack_norm": ("l2", "linf"),
    "defence.noise": ("gaussian", "splits", *MASKED),
    "quantization.weight_scale": ("least_squares", "max"),
}
BIT_WORDS = frozenset(
    {"binary", "ternary", "stochastic_ternary", "mean_ternary", "stochastic_mean_ternary", "float"}
)

"""Sections of a recipe that say how a network is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Data:
    """``[data]``: which data set, and what is drawn from it.

    Attributes:
        name: a loader of ``qrobust.datasets``; "own" for data of one's own at ``path``; or, where
            code is allowed, ``module:function``, called with the folder of the data sets (or
            None), which returns a `Dataset`.
        augment: "none", "crop_flip" (4 pixels, mirrored half of the time), "corrupt" (the same,
            and half of the pictures in another light), "families" (moved by up to 4 pixels with
            the edge repeated, mirrored, 48 steps of light: to keep what ``[verify]`` proves) or
            "time_shift" (5 frames of features).
        words: of Speech Commands, in the order of their labels; none for every word that has a
            folder.
        path: of "own" data, see ``datasets.own_data``, relative to the recipe's folder.
        shape: of one picture there, height, width, channels (none for arrays); or the square
            that pictures of "caltech101" are brought to, 96 x 96 by default.
        fit: for pictures there of another size: "crop", "stretch" or "exact".
        held_out: training examples that no phase sees and that become the validation part:
            ``datasets.hold_out``, the same ones for every recipe; of speech commands whole
            speakers.
        held_out_fold: of speech commands, whom: passes so many groups of speakers over first.
        sound_noise: of speech commands: sigma of noise on the samples of training clips, in steps
            of 2^-7 of full scale.
        copies: of speech commands with such noise: noisy copies of each training clip.
        clean_copies: and copies without noise beside them.
        split_seed: of "digits" and "own" data: chooses what is tested on; none for the recipe's
            seed. Members of an ensemble differ in that one and share this one.
    """

    name: str
    augment: str = "none"
    words: tuple[str, ...] = ()
    path: str = ""
    shape: tuple[int, ...] = ()
    fit: str = "crop"
    held_out: int = 0
    held_out_fold: int = 0
    sound_noise: float = 0.0
    copies: int = 1
    clean_copies: int = 0
    split_seed: int | None = None


@dataclass(frozen=True)
class Network:
    """``[network]``: which architecture.

    Attributes:
        name: a function of ``qrobust.architectures``; or, where code is allowed,
            ``module:function``, called with the input's shape, the number of classes and the
            options, which returns a float Keras model.
        options: its keyword arguments.
        model: instead of a name: a float .keras file, whose weights training starts from, relative
            to the recipe's folder.
        weights: a float .keras or .h5 file of the same layers to start from, relative to the
            recipe's folder; "" for none.
        teacher: a trained .keras file whose answers ``[defence] distillation`` learns, relative to
            the recipe's folder; none for the float twin that the quantized network starts from.
        start: a trained quantized .keras file to go on with, whose bits and noise stay, relative
            to the recipe's folder; "" for none. There is no float phase then.
        members: instead of a name: trained quantized .keras files, relative to the recipe's folder,
            that become one ensemble (``qrobust.ensembles``); nothing is trained.
        rule: how they decide: "mean" or "majority".
        member_weights: whole numbers, one a member; none to learn them on ``[data] held_out``
            examples, or, without those, for equal ones.
    """

    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""
    start: str = ""
    teacher: str = ""
    model: str = ""
    members: tuple[str, ...] = ()
    rule: str = "mean"
    member_weights: tuple[int, ...] = ()


@dataclass(frozen=True)
class Quantization:
    """``[quantization]``: bits of the twin.

    Attributes:
        weight_bits: 2 to 6, "binary", "ternary", "stochastic_ternary" (both QKeras's),
            "mean_ternary" or "stochastic_mean_ternary"; or a table from layer name or pattern to
            these; or "float": no quantization, all epochs go to the float twin.
        activation_bits: 1 to 8; or a table.
        weight_schedule: a table from epoch to weight bits that take over then, as
            ``{0 = 8, 5 = 4}``.
        weight_scale: how steps of weights follow their values, see ``PowerOfTwoWeights``.
        calibration: training examples, of 512 at most, on which ranges of activations are measured
            when a trained float network is quantized; 0 for what batch norm makes likely.
    """

    weight_bits: int | str | Mapping[str, int | str] = 4
    activation_bits: int | Mapping[str, int] = 4
    weight_schedule: Mapping[str, int | str] = field(default_factory=dict)
    weight_scale: str = "least_squares"
    calibration: int = 512

    @property
    def is_float(self) -> bool:
        """Whether the recipe is that of a float twin."""
        return self.weight_bits == "float"


@dataclass(frozen=True)
class Defence:
    """``[defence]``: what training does against perturbations.

    Attributes:
        sigma: Gaussian input noise in LSB, in training and in certification; 0 for none.
        mixed: share of the examples that training sees without that noise; 0 for none.
        noise: "gaussian"; or views of the input that are counted, not drawn, in certification:
            "splits" (L1), "bands" or "blocks" (patches), "ablation" (L0).
        size: of views: M of splits or of subsets of pixels, columns of a band, side of a block; 0
            for Gaussian noise.
        threshold: of views: least margin of a vote in steps of the output; a smaller one abstains.
        jacobian: weight of the per-layer Jacobian penalty.
        weight_spread: of every weight, as a share of its kernel's root mean square, that training
            starts with (``layers.WeightDistribution``); 0 for fixed weights. What is published is
            the mean network; ``qrobust bundle MODEL.keras --draws K`` draws others.
        weight_entropy: weight of the entropy of those distributions.
        consistency: weight of the consistency term.
        distillation: weight of the divergence from a teacher's answers, in the quantized phase.
        smooth_adversarial: radius of SmoothAdv's attack in LSB.
        attack_norm: its norm, "l2" or "linf".
        macer: weight of MACER's term.
        boundary: L2 distance in LSB within which training examples are moved to the nearest
            decision boundary (``layers.BoundarySamples``).
        boundary_share: of the examples that are moved where they are that near.
        ibp: radius in LSB of the L-inf ball that interval bounds are trained for
            (``layers.IntervalBounds``).
        ibp_kappa: share of the plain loss when its ramp has ended.
        ibp_warmup: epochs of plain training before the ramp, in each phase.
        ibp_ramp: epochs in which epsilon goes from 0 to ``ibp`` and kappa from 1 to ``ibp_kappa``.

    At most one of consistency, smooth_adversarial, macer, boundary and ibp; with none, training
    sees one noisy copy.
    """

    sigma: float = 0.0
    jacobian: float = 0.0
    weight_spread: float = 0.0
    weight_entropy: float = 0.0
    consistency: float = 0.0
    distillation: float = 0.0
    smooth_adversarial: float = 0.0
    attack_norm: str = "l2"
    macer: float = 0.0
    boundary: float = 0.0
    boundary_share: float = 0.5
    mixed: float = 0.0
    noise: str = "gaussian"
    size: int = 0
    threshold: int = 0
    ibp: float = 0.0
    ibp_kappa: float = 0.5
    ibp_warmup: int = 0
    ibp_ramp: int = 0

    @property
    def counts(self) -> bool:
        """Whether views are counted, so that certificates cannot fail."""
        return self.noise != "gaussian"


@dataclass(frozen=True)
class Training:
    """``[training]``: the optimization.

    Attributes:
        epochs: of the quantized network.
        float_epochs: of its float twin before, from which it starts.
        batch_size: images.
        learning_rate: Adam's for the quantized network, decayed along a cosine.
        frozen_epochs: the last of ``epochs``, with fixed statistics of batch norm: what is
            trained is then exactly what is exported (``callbacks.FreezeStatistics``).
        measured: training examples over which those statistics are measured anew before they are
            fixed; 0 to fix the moving ones.
        float_learning_rate: the same for its float twin; 0 for that of the quantized network.
        average: momentum of a moving average of the weights over about ``1 / (1 - average)`` steps,
            Keras's ``ema_momentum``, which takes their place when a phase ends; statistics of
            folded batch norm are then measured anew. 0 for the weights themselves.
        watch: examples whose certified accuracy at a radius of sigma is logged every five epochs,
            of the validation set or, without one, held out of the training set; 0 for none.
    """

    epochs: int
    float_epochs: int = 0
    batch_size: int = 128
    learning_rate: float = 3e-3
    frozen_epochs: int = 0
    measured: int = 0
    float_learning_rate: float = 0.0
    average: float = 0.0
    watch: int = 0

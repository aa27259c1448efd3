"""A recipe: the TOML file that says how a reference model is trained."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from qrobust.certify import CertifyError, Settings
from qrobust.training.recipe_build import build
from qrobust.training.recipe_checks import check_counts, check_values, check_views
from qrobust.training.recipe_evidence import (
    Attack,
    Certification,
    Corruption,
    Parity,
    Proof,
    Verify,
)
from qrobust.training.recipe_sources import check_sources


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
        sound_noise: of speech commands: sigma of noise on the samples of training clips, in steps
            of 2^-7 of full scale.
        copies: of speech commands with such noise: noisy copies of each training clip.
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
    sound_noise: float = 0.0
    copies: int = 1
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


@dataclass(frozen=True)
class Recipe:
    """A whole recipe; see the classes of its sections.

    Attributes:
        proof: what ``[verify]`` says of L-inf balls.
        notes: Markdown that ends the card: what was tried and what it gave.
    """

    name: str
    data: Data
    network: Network
    defence: Defence
    training: Training
    quantization: Quantization = Quantization()
    certification: Certification = Certification()
    parity: Parity = Parity()
    attack: Attack = Attack()
    proof: Proof = Proof()
    corruption: Corruption = Corruption()
    verify: Verify = Verify()
    seed: int = 0
    notes: str = ""

    @property
    def noise(self) -> float:
        """Sigma of the certificates' noise in LSB."""
        return self.certification.sigma or self.defence.sigma


#: Characters of a recipe and of one line: the parser takes the square of a dotted key's length.
_LONGEST, _LONGEST_LINE = 1 << 15, 2000
_SECTIONS: dict[str, Any] = {
    "data": Data,
    "network": Network,
    "quantization": Quantization,
    "defence": Defence,
    "training": Training,
    "certification": Certification,
    "parity": Parity,
    "attack": Attack,
    "proof": Proof,
    "corruption": Corruption,
    "verify": Verify,
}


def _text(path: Path) -> str:
    """What a recipe says; none is as long as a text that takes the parser minutes."""
    with open(path, encoding="utf-8") as file:
        text = file.read(_LONGEST + 1)
    if len(text) > _LONGEST or max(map(len, text.split("\n"))) > _LONGEST_LINE:
        raise ValueError(
            f"a recipe has at most {_LONGEST} characters, a line of it {_LONGEST_LINE}"
        )
    return text


def read_recipe(path: str | Path, *, allow_code: bool = False) -> Recipe:
    """Read and check a recipe.

    Args:
        path: of the TOML file.
        allow_code: let it name ``module:function``; nothing is imported here.

    Raises:
        ValueError: no such file, no TOML, an unknown or missing key, a value of another type, or
            a count that makes no sense.
    """
    path = Path(path)
    try:
        content = tomllib.loads(_text(path))
    except OSError as error:
        raise ValueError(f"the recipe '{path}' cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # TOML and UTF-8 errors
        kind = path.suffix.lower() in (".keras", ".h5", ".tflite")
        road = "; a recipe is a .toml that names a network under [network]" if kind else ""
        raise ValueError(f"'{path}' is not TOML: {error}{road}") from None
    for name, section in _SECTIONS.items():
        if name in content:
            where = f"{path}, [{name}]"
            if section is Certification:
                content[name] = _certification(content[name], where)
            else:
                if section is Defence:
                    _check_sigma(content[name], where)
                content[name] = build(section, content[name], where)
    recipe: Recipe = build(Recipe, content, str(path))
    check_sources(recipe, str(path))
    check_views(recipe, str(path))
    check_counts(recipe, str(path))
    check_values(recipe, str(path), allow_code=allow_code)
    network = recipe.network
    found: dict[str, Any] = {
        key: str(path.parent / value)
        for key in ("model", "weights", "start", "teacher")
        if (value := getattr(network, key))
    }
    if network.members:
        found["members"] = tuple(str(path.parent / member) for member in network.members)
    data = recipe.data
    if data.path:
        data = replace(data, path=str(path.parent / data.path))
    proof = recipe.verify.balls if recipe.verify.radii else recipe.proof
    return replace(recipe, data=data, network=replace(network, **found), proof=proof)


def _check_sigma(content: Any, where: str) -> None:
    """No default for what certificates hang on: 0 has to be written."""
    if isinstance(content, dict) and not {"sigma", "noise"} & content.keys():
        raise ValueError(f"{where}: missing 'sigma', in LSB (0 for none), or 'noise'")


def _certification(content: Any, where: str) -> Certification:
    """The section's own keys, and those of a certificate's settings, which stand beside them."""
    if not isinstance(content, dict):
        raise ValueError(f"{where}: a table is needed. Received: {content!r}")
    own = {f.name for f in fields(Certification)} - {"settings"}
    settings = {f.name for f in fields(Settings)}
    unknown = sorted(content.keys() - own - settings)
    if unknown:
        known = ", ".join((*sorted(own), *sorted(settings)))
        raise ValueError(f"{where}: unknown key '{unknown[0]}'. Known keys: {known}.")
    made: Certification = build(
        Certification, {key: content[key] for key in content if key in own}, where
    )
    try:
        asked = build(Settings, {key: content[key] for key in content if key in settings}, where)
    except CertifyError as error:
        raise ValueError(f"{where}: {error}") from None
    return replace(made, settings=asked)

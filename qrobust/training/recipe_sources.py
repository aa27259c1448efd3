"""Whether a recipe says once, and clearly, what is trained on what."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qrobust.certify.inputs.named_code import is_code
from qrobust.training.member_checks import check_members

#: Loaders of ``qrobust.datasets`` that look in a folder.
FOLDER_LOADERS = ("cifar10", "mnist", "svhn", "caltech101", "speech_commands")
#: Functions of ``qrobust.architectures``, which is not imported for their names.
ARCHITECTURES = (
    "autoencoder",
    "denoiser",
    "digits_cnn",
    "ds_cnn",
    "mobilenet_v1",
    "proof_cnn",
    "resnet8",
    "resnet20",
    "stq_net",
)


def check_sources(recipe: Any, path: str) -> None:
    """Raise `ValueError` where a recipe does not say, or says twice, what to train on what.

    Args:
        recipe: as read.
        path: its file, for the message.
    """
    data, network = recipe.data, recipe.network
    for section, name, known in (
        ("data", data.name, ("own", "digits", *FOLDER_LOADERS)),
        ("network", network.name, ARCHITECTURES),
    ):
        if name.isidentifier() and not is_code(name) and name not in known:
            raise ValueError(
                f"{path}: [{section}] name is one of {', '.join(known)}. Received: {name!r}"
            )
    own = data.name == "own"
    if own != bool(data.path):
        raise ValueError(
            f'{path}: [data] name = "own" takes path; other names do not. Received: '
            f"name={data.name!r}, path={data.path!r}"
        )
    if data.name == "caltech101" and data.shape:
        if len(data.shape) != 3 or data.shape[0] != data.shape[1] or data.shape[2] != 3:
            raise ValueError(
                f"{path}: [data] pictures of caltech101 are brought to squares in colour: shape = "
                f"[96, 96, 3]. Received: {list(data.shape)}"
            )
    of_sounds = (data.sound_noise, data.copies - 1, data.clean_copies, data.held_out_fold)
    if any(of_sounds) and data.name != "speech_commands":
        raise ValueError(
            f"{path}: [data] sound_noise, copies, clean_copies and held_out_fold are of "
            f"speech_commands, not of {data.name}."
        )
    if (data.copies > 1 or data.clean_copies) and not data.sound_noise:
        raise ValueError(
            f"{path}: [data] copies differ by noise alone: more than one, and clean_copies beside "
            "them, need a sound_noise."
        )
    if data.held_out_fold and not data.held_out:
        raise ValueError(f"{path}: [data] held_out_fold says who is held out; held_out is missing.")
    if data.shape and not own and data.name != "caltech101":
        raise ValueError(
            f"{path}: [data] shape is of own pictures and of caltech101; {data.name} has one."
        )
    if data.split_seed is not None and not own and data.name != "digits":
        raise ValueError(
            f"{path}: [data] split_seed chooses what is tested on of digits and own data; "
            f"{data.name} has its own test part."
        )
    if [bool(network.name), bool(network.model), bool(network.members)].count(True) != 1:
        raise ValueError(
            f"{path}: [network] takes a name, or model = a .keras file, or members = several of "
            f"them. Received: name={network.name!r}, model={network.model!r}, "
            f"members={list(network.members)}"
        )
    check_members(recipe, path)
    _check_teacher(recipe, path)
    _check_ranges(recipe, path)
    if network.model and (network.weights or network.start or network.options):
        raise ValueError(f"{path}: [network] model is whole: leave out options, weights and start.")


def _check_teacher(recipe: Any, path: str) -> None:
    """A teacher and what learns from it go together."""
    network, defence = recipe.network, recipe.defence
    if not defence.distillation:
        if network.teacher:
            raise ValueError(
                f"{path}: [network] teacher teaches nothing: give [defence] distillation, the "
                f"weight of its answers, such as 1."
            )
        return
    twin = network.weights or network.model or recipe.training.float_epochs
    if not network.teacher and (network.start or not twin):
        raise ValueError(
            f"{path}: [defence] distillation needs a trained float twin that the quantized network "
            f"starts from (float_epochs, [network] weights or model), or a [network] teacher."
        )
    if recipe.quantization.is_float or defence.counts or network.members:
        raise ValueError(
            f"{path}: [defence] distillation is of a quantized network of whole inputs, trained "
            f"here; not of a float twin, of views or of members."
        )
    if not recipe.training.epochs:
        raise ValueError(
            f"{path}: [defence] distillation teaches in the quantized phase, and [training] epochs "
            f"= 0."
        )
    others = ("smooth_adversarial", "boundary", "macer", "ibp")
    beside = [name for name in others if getattr(defence, name)]
    if beside:
        raise ValueError(
            f"{path}: [defence] distillation goes alone or with consistency. Received beside it: "
            f"{', '.join(beside)}"
        )


def _check_ranges(recipe: Any, path: str) -> None:
    """How steps are found matters where a float network is quantized, and nowhere else."""
    network, bits = recipe.network, recipe.quantization
    for key, default in (("weight_scale", "least_squares"), ("calibration", 512)):
        given = getattr(bits, key)
        if given != default and (network.start or bits.is_float):
            raise ValueError(
                f"{path}: [quantization] {key} is of a float network that is quantized; [network] "
                f"start has its steps, and a float twin has none. Leave it out. Received: {given!r}"
            )
    trained = network.weights or network.model or recipe.training.float_epochs
    if bits.calibration != 512 and not trained:
        raise ValueError(
            f"{path}: [quantization] calibration is of a trained float network (float_epochs, "
            f"[network] weights or model); ranges of one that is not trained are never measured. "
            f"Leave it out. Received: {bits.calibration}"
        )
    given = bits.weight_bits
    widths = [*given.values()] if isinstance(given, Mapping) else [given]
    named = [width for width in bits.weight_schedule.values() if isinstance(width, str)]
    if all(isinstance(width, str) for width in widths):
        named += widths
    if bits.weight_scale != "least_squares" and named:
        raise ValueError(
            f"{path}: [quantization] weight_scale is of weights of 2 to 8 bits, and keeps to no "
            f"schedule with names; there are {', '.join(map(str, named))}. Leave it out. Received: "
            f"{bits.weight_scale!r}"
        )


def check_files(recipe: Any, path: str) -> None:
    """Raise `ValueError` where a file that training starts from is not there.

    Args:
        recipe: as read, its paths from where the command runs.
        path: its file, for the message.
    """
    network = recipe.network
    for key, names in (
        ("[network] model", (network.model,)),
        ("[network] weights", (network.weights,)),
        ("[network] start", (network.start,)),
        ("[network] teacher", (network.teacher,)),
        ("[network] members", network.members),
    ):
        for name in filter(None, names):
            if not Path(name).is_file():
                raise ValueError(f"{path}: {key}: there is no file '{name}'.")
    if recipe.data.path and not Path(recipe.data.path).exists():
        raise ValueError(f"{path}: [data] path: there is nothing at '{recipe.data.path}'.")

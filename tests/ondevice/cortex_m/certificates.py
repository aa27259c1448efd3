"""Certificates of a device against those of `qrobust.certify` on this computer."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import emulator

_SEED = 2026


@dataclass(frozen=True)
class Counted:
    """How many of a core's results are not this computer's.

    Attributes:
        images: Certified on both.
        outputs: Differing output integers.
        certificates: Certificates that differ in label, candidate, radius or any vote.
    """

    images: int
    outputs: int
    certificates: int


def compare_certificates(
    core: str, model: bytes, images: NDArray[np.integer], *, pilot: int
) -> Counted:
    """Certifies images on an emulated core and here.

    Args:
        core: A name of `core.CORES`.
        model: A file with a smoothing spec that holds one radius table.
        images: On the model's input grid.
        pilot: Samples that choose the class.
    """
    device = emulator.load_device()
    from qrobust.certify import Certifier, c99
    from tflite_export import reference
    from tflite_export.c99 import write
    from tflite_export.read import read_graph

    graph = read_graph(model)
    with Certifier(model, seed=_SEED) as certifier:
        table = certifier.spec.tables[0]
        grid = certifier.file.grid
        expected = [
            certifier.certify(image, n0=pilot, n=table.n, alpha=table.alpha, index=index)
            for index, image in enumerate(images)
        ]
    tensors = images.astype(np.int64) + grid.zero_point
    with tempfile.TemporaryDirectory(prefix="ondevice-") as folder:
        write(graph, folder)
        c99.write(model, folder)
        program = device.build_core(device.CORES[core], Path(folder))
        result = device.run(program, tensors.astype(np.int8), pilot=pilot, seed=_SEED)
    outputs = reference.run(graph, tensors.reshape(-1, *graph.inputs[0].shape))[0]
    differing = [
        (ours.label, ours.candidate, ours.radius_q16, ours.votes)
        != (theirs.label, theirs.candidate, theirs.radius_q16, theirs.votes)
        for ours, theirs in zip(result.certificates, expected, strict=True)
    ]
    return Counted(
        len(images),
        int((result.outputs != outputs.reshape(result.outputs.shape)).sum()),
        sum(differing),
    )

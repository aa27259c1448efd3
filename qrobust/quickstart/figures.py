"""The picture of digits, noise and votes in the quickstart's report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qrobust.certify import Certificate, Certifier
from qrobust.certify.run.keys import read_key
from tflite_export.atomic import replacing


def votes_figure(
    images: npt.NDArray[np.uint8],
    certificates: Sequence[Certificate],
    path: Path,
    *,
    certifier: Certifier,
) -> None:
    """A few digits, the first noisy copy of each that voted, and the votes of all."""
    # The object API draws without a display and leaves pyplot's global state alone.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.6 * len(images), 4.6), layout="constrained")
    axes: Any = figure.subplots(3, len(images), squeeze=False)
    for column, (image, certificate) in enumerate(zip(images, certificates, strict=True)):
        noisy = certifier.copies(image, 1, key=read_key(certificate.key)).reshape(image.shape)
        for row, picture in enumerate((image, noisy)):
            axes[row, column].imshow(picture[..., 0], cmap="gray_r", vmin=0, vmax=255)
            axes[row, column].set_axis_off()
        label = "abstains" if certificate.abstained else f"{certificate.label}"
        axes[0, column].set_title(f"{label}, R = {certificate.radius:.0f}", fontsize=10)
        votes = np.array(certificate.votes) / certificate.n
        axes[2, column].bar(range(len(votes)), votes)
        axes[2, column].set(ylim=(0, 1), xticks=range(len(votes)), yticks=[0, 0.5, 1])
        axes[2, column].tick_params(labelsize=6)
    axes[2, 0].set_ylabel("share of votes", fontsize=8)
    figure.suptitle("Held-out digits, one noisy copy of each, and how all noisy copies voted")
    with replacing(path) as beside:
        figure.savefig(beside, dpi=120)

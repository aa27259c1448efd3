"""Batch norm's statistics fixed for the last epochs."""

from typing import Any

import keras
import numpy as np

from qrobust.layers.folded_batch_norm import FoldedBatchNorm
from qrobust.quantization.compile_again import compile_again
from tflite_export.keras_private import layers_inside


class FreezeStatistics(keras.callbacks.Callback):
    """Fixes the moving statistics of folded batch norm when an epoch begins.

    From then on the layers compute in training what they compute in inference, on the grids that
    are exported; kernels, gammas and betas go on learning. Before, they are normalized with the
    batch's own statistics, which absorb what rounding the folded kernel does to its scale. With
    few bits inference does not: a 2-bit network may lose half of its training accuracy there, and
    wins it back in an epoch or two of this.

    The training function is compiled again once; the optimizer's state stays. When the training
    ends, the layers are as before: another ``fit`` without this callback moves their statistics.

    Moving statistics may be poor ones to fix: where views hide most of a picture, they jump with
    the quantized kernels that they scale. With ``measured`` they are measured anew before: the
    model runs once on those inputs, noise included, and layer after layer keeps the mean and
    variance of what it sees there, behind layers that compute what inference computes.

    Args:
        epoch: the first with fixed statistics, counted from 0.
        measured: inputs, (examples, ...), as the model takes them, all in memory at once: 1,024 are
            plenty; None to fix the statistics as they are. A channel that is constant on all of
            them keeps its variance.

    Raises:
        ValueError: a negative epoch, or a model without folded batch norm.

    Source:
        Krishnamoorthi 2018 (arXiv 1806.08342), section 3.2.2.
    """

    def __init__(self, epoch: int, measured: Any = None) -> None:
        super().__init__()
        if not isinstance(epoch, int) or epoch < 0:
            raise ValueError(f"epoch is counted from 0. Received: {epoch!r}")
        parts = [] if measured is None else keras.tree.flatten(measured)
        if measured is not None and (not parts or any(np.shape(x)[:1] == (0,) for x in parts)):
            raise ValueError("measured holds no example; without it statistics stay as they are.")
        self.epoch = epoch
        self.measured = measured

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Find the layers."""
        self._layers = _folded(self.model)
        if not self._layers:
            raise ValueError(
                f"FreezeStatistics found no folded batch norm in model '{self.model.name}'. "
                f"Quantize the model with qrobust.quantize first."
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Fix them, once; a training that is taken up later has measured them already."""
        if epoch == self.epoch and self.measured is not None:
            measure_statistics(self.model, self.measured)
        self._set(frozen=epoch >= self.epoch)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Let the statistics move again, for a fit without this callback."""
        self._set(frozen=False)

    def _set(self, *, frozen: bool) -> None:
        if any(layer.frozen != frozen for layer in self._layers):
            for layer in self._layers:
                layer.frozen = frozen
            compile_again(self.model)


def measure_statistics(model: Any, inputs: Any) -> None:
    """Give every folded batch norm the mean and variance of what it sees on these inputs.

    The model runs once, noise included; layers behind one compute what inference computes.

    Args:
        model: with or without folded batch norms.
        inputs: (examples, ...), as the model takes them.
    """
    layers = _folded(model)
    try:
        for layer in layers:
            layer.measuring = True
        model(inputs, training=True)
    finally:
        for layer in layers:
            layer.measuring = False


def _folded(model: Any) -> list[Any]:
    return [layer for layer in layers_inside(model) if isinstance(layer, FoldedBatchNorm)]

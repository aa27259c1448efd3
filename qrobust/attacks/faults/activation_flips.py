"""Bits of activations that flip while a picture is classified: at random, and along gradients."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.faults.graph_twin import GraphTwin
from tflite_export import reference
from tflite_export.graph import IntegerGraph, Tensor
from tflite_export.grid import IntArray

#: Bits of an activation in memory.
BITS = 8
#: Pictures at a time: every activation of theirs is held.
_BATCH = 32
Masks = dict[Tensor, NDArray[np.int8]]
Labels = NDArray[np.int64]


def exposed(graph: IntegerGraph) -> list[Tensor]:
    """Tensors between the input and the outputs: flips there are faults of the device.

    The input's would be other pictures, and one bit of a logit decides by itself.
    """
    return [op.output for op in graph.operators if op.output not in graph.outputs]


def random_masks(graph: IntegerGraph, rngs: list[np.random.Generator], count: int) -> Masks:
    """``count`` different bits of all activations for every picture, each as likely."""
    tensors = exposed(graph)
    ends = np.cumsum([tensor.size * BITS for tensor in tensors])
    masks = _none(tensors, len(rngs))
    for picture, rng in enumerate(rngs):
        for number in rng.choice(int(ends[-1]), count, replace=False):
            at = int(np.searchsorted(ends, number, side="right"))
            index, bit = divmod(int(number - (ends[at - 1] if at else 0)), BITS)
            _flip(masks[tensors[at]], picture, index, bit)
    return masks


def labels(graph: IntegerGraph, q: IntArray, masks: Masks | None = None) -> Labels:
    """The classes that the specification's integers say, int64[n], with bits flipped."""
    found = []
    for start in range(0, len(q), _BATCH):
        part = slice(start, start + _BATCH)

        def after(tensor: Tensor, value: IntArray, part: slice = part) -> IntArray:
            if masks is None or tensor not in masks:
                return value
            return np.asarray(value.astype(np.int8) ^ masks[tensor][part], np.int64)

        (logits,) = reference.run(graph, q[part], after=after)
        found.append(logits.reshape(len(logits), -1).argmax(axis=1))
    return np.concatenate(found)


def guided_masks(graph: IntegerGraph, q: IntArray, y: Labels, count: int) -> list[Masks]:
    r"""For every picture the bits whose flips cost most, one after the other.

    In every round each tensor names, for each picture, the bit whose flip raises the margin (the
    greatest other logit minus that of y) most to first order; all are tried, and the best of them
    stays flipped. Round ``k`` knows what the rounds before flipped.

    Returns:
        Masks after 1, 2, ... ``count`` flips.
    """
    parts = [
        _Search(graph, q[i : i + _BATCH], y[i : i + _BATCH]).rounds(count)
        for i in range(0, len(q), _BATCH)
    ]
    tensors = exposed(graph)
    return [
        {t: np.concatenate([part[k][t] for part in parts]) for t in tensors} for k in range(count)
    ]


class _Search:
    def __init__(self, graph: IntegerGraph, q: IntArray, y: Labels) -> None:
        import tensorflow as tf

        twin = GraphTwin(graph)
        weights = [op.weights.astype(np.float32) for op in twin.linear]
        self.tensors = exposed(graph)
        self.count = len(q)
        inputs, truth = tf.constant(q, tf.float32), tf.constant(y)

        def margin(masks: Any) -> Any:
            given = dict(zip(self.tensors, masks, strict=True))
            values = twin.run(inputs, weights, given)
            logits = twin.logits(values)
            own = tf.gather(logits, truth, axis=1, batch_dims=1)
            one_hot = tf.one_hot(truth, logits.shape[-1], True, False, dtype=tf.bool)
            others = tf.where(one_hot, logits.dtype.min, logits)
            return tf.reduce_max(others, axis=1) - own, [values[t] for t in self.tensors]

        def gradients(masks: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                value, written = margin(masks)
            return written, tape.gradient(value, written, unconnected_gradients="zero")

        self._margin = tf.function(lambda masks: margin(masks)[0])
        self._gradients = tf.function(gradients)

    def rounds(self, count: int) -> list[Masks]:
        masks, found = _none(self.tensors, self.count), []
        for _ in range(count):
            written, gradients = self._gradients(self._given(masks))
            best = np.full(self.count, -np.inf)
            chosen: list[tuple[Tensor, int, int]] = [(self.tensors[0], 0, 0)] * self.count
            for tensor, value, gradient in zip(self.tensors, written, gradients, strict=True):
                indices, bits = _most(value.numpy(), gradient.numpy(), masks[tensor])
                tried = masks | {tensor: masks[tensor].copy()}
                for picture in range(self.count):
                    _flip(tried[tensor], picture, int(indices[picture]), int(bits[picture]))
                margins = self._margin(self._given(tried)).numpy()
                for picture in map(int, np.flatnonzero(margins > best)):
                    best[picture] = margins[picture]
                    chosen[picture] = (tensor, int(indices[picture]), int(bits[picture]))
            masks = {tensor: mask.copy() for tensor, mask in masks.items()}
            for picture, (at, place, bit) in enumerate(chosen):
                _flip(masks[at], picture, place, bit)
            found.append(masks)
        return found

    def _given(self, masks: Mapping[Tensor, Any]) -> list[Any]:
        import tensorflow as tf

        return [tf.constant(masks[tensor]) for tensor in self.tensors]


def _most(value: Any, gradient: Any, mask: NDArray[np.int8]) -> tuple[Any, Any]:
    """Of every picture, the element and the bit whose flip gains most; none is flipped twice."""
    flat = value.reshape(len(value), -1).astype(np.int8)
    bits = (1 << np.arange(BITS)).astype(np.uint8).view(np.int8)
    changed = (flat[:, :, None] ^ bits).astype(np.float32) - flat[:, :, None]
    gains = changed * gradient.reshape(len(value), -1)[:, :, None]
    gains[(mask.reshape(len(value), -1)[:, :, None] & bits) != 0] = -np.inf
    most = gains.reshape(len(value), -1).argmax(axis=1)
    return most // BITS, most % BITS


def _none(tensors: list[Tensor], count: int) -> Masks:
    return {tensor: np.zeros((count, *tensor.shape), np.int8) for tensor in tensors}


def _flip(mask: NDArray[np.int8], picture: int, index: int, bit: int) -> None:
    rows = mask[picture].reshape(-1)
    rows.view(np.uint8)[index] ^= np.uint8(1 << bit)

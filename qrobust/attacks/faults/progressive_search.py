"""The weights' bits whose flips cost most: progressive bit search along gradients."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.attacks.faults.graph_twin import GraphTwin
from qrobust.attacks.faults.stored_weights import Flip, Ints, StoredWeights
from tflite_export.read import read_graph


def progressive_search(
    stored: StoredWeights, q: NDArray[np.int8], y: NDArray[np.int64], count: int
) -> Iterator[Flip]:
    r"""The bit-flip attack of Rakin, He and Fan (2019), on the integers of a file.

    In every round each layer names the bit whose flip raises the loss most to first order,

    .. math:: \max_b \; \frac{\partial L}{\partial w} \, (w^{(b)} - w),

    with :math:`L` the mean cross entropy of the pictures and :math:`w^{(b)}` the weight after the
    flip; every candidate is tried, and the one with the greatest loss stays flipped. Unlike there,
    a layer proposes one bit a round and gradients pass the rounding of activations. Nothing is
    flipped back.

    Args:
        stored: weights of a file of the integer contract.
        q: stored integers of pictures to search on, [n, ...].
        y: their labels.
        count: of flips.

    Yields:
        Flips, in their order; fewer where no candidate raises the loss to first order.

    Raises:
        ExportError: a file outside of the integer contract.
    """
    search = _Search(stored, q, y)
    flips: list[Flip] = []
    for _ in range(count):
        values = stored.values(flips)
        found = [
            (search.loss(_replaced(values, flip.layer, value)), flip)
            for flip, value in search.candidates(values, flips)
        ]
        if not found:
            return
        flips.append(max(found)[1])
        yield flips[-1]


class _Search:
    def __init__(self, stored: StoredWeights, q: NDArray[np.int8], y: NDArray[np.int64]) -> None:
        import tensorflow as tf

        twin = GraphTwin(read_graph(stored.content, as_stored=True))
        shown = [twin.linear[i].weights.reshape(-1) for i in range(len(twin.linear))]
        for i, layer in enumerate(stored.uses):
            if not np.array_equal(shown[i], stored.layers[layer].values):
                raise ValueError(f"'{stored.layers[layer].name}' is read otherwise than stored.")
        self.stored = stored
        inputs, labels = tf.constant(q, tf.float32), tf.constant(y)

        def loss(weights: Any) -> Any:
            values = twin.run(inputs, [weights[i] for i in stored.uses])
            cost = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, twin.logits(values))
            return tf.reduce_mean(cost)

        def gradients(weights: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(weights)
                value = loss(weights)
            return tape.gradient(value, weights)

        self._loss, self._gradients = tf.function(loss), tf.function(gradients)

    def loss(self, values: list[Ints]) -> float:
        return float(self._loss(_tensors(values)))

    def candidates(self, values: list[Ints], flips: list[Flip]) -> Iterator[tuple[Flip, Ints]]:
        """Of every layer, the bit that gains most, and the layer's values after it."""
        taken = set(flips)
        for number, gradient in enumerate(self._gradients(_tensors(values))):
            layer, own = self.stored.layers[number], values[number]
            every, bits = np.arange(len(own))[:, None], np.arange(layer.bits)
            gains = (layer.changed(own, every, bits) - own[:, None]) * gradient.numpy()[:, None]
            for flip in taken:
                if flip.layer == number:
                    gains[flip.index, flip.bit] = 0
            index, bit = divmod(int(gains.argmax()), layer.bits)
            if gains[index, bit] > 0:
                changed = own.copy()
                changed[index] = layer.changed(own, index, bit)
                yield Flip(number, index, bit), changed


def _replaced(values: list[Ints], number: int, value: Ints) -> list[Ints]:
    return [*values[:number], value, *values[number + 1 :]]


def _tensors(values: list[Ints]) -> list[Any]:
    import tensorflow as tf

    return [tf.constant(value, tf.float32) for value in values]

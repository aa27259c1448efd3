"""A file to prove things about: how it runs, what it computes, where its inputs live."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.file.model_file import Model, load_model
from qrobust.verify.domain import Domain, Integers, Picture
from qrobust.verify.families import Family, make_family
from qrobust.verify.intervals import Interval, check_rules
from qrobust.verify.predict import Predictor
from qrobust.verify.regions import Box
from tflite_export import reference
from tflite_export.contract import contract_problem
from tflite_export.errors import ExportError
from tflite_export.graph import IntegerGraph
from tflite_export.read import read_graph

#: Random inputs on which the file must equal its integer graph before bounds mean anything.
_COMPARED = 64
_ANY_FILE = "Families can be enumerated on any file"


class Problem:
    """One ``.tflite`` file, opened for proofs.

    Args:
        model: path or bytes of a fully integer classifier.
        kernels: kernel family of the interpreter.

    Attributes:
        file: checked.
        predictor: runs it.

    Raises:
        CertifyError: no integer classifier.
    """

    def __init__(self, model: Model, *, kernels: str = "xnnpack") -> None:
        self.file = load_model(model)
        self.predictor = Predictor(self.file, kernels=kernels)
        self.family = lru_cache(maxsize=16)(self._family)

    @property
    def domain(self) -> Domain:
        """All inputs, in grid integers."""
        return self.predictor.domain

    def picture(self, x: NDArray[Any], *, where: str = "the input") -> Picture:
        """Return one input in grid integers; floats are quantized, as for `certify`."""
        tensor = self.file.grid.to_tensor(np.asarray(x), self.file.shape, where=where)
        return (tensor - np.int16(self.file.grid.zero_point)).reshape(self.file.shape)

    def _family(self, text: str) -> Family:
        return make_family(text, self.domain)

    @cached_property
    def graph(self) -> IntegerGraph:
        """The integer graph that the file holds, compared with the file on random inputs.

        Random inputs may miss the few on which kernels round a tie otherwise than the graph: only
        the contract says that there are none.

        Raises:
            CertifyError: a file outside the integer contract, an operator without bounds, or a
                file that computes something else than its graph says.
        """
        try:
            graph = read_graph(self.file.content)
        except ExportError as error:
            raise CertifyError(f"no bounds for this file: {error} {_ANY_FILE}") from None
        check_rules(graph)
        if problem := contract_problem(self.file.content):
            raise CertifyError(
                f"no bounds for this file, which is outside the integer contract: {problem} "
                f"{_ANY_FILE}"
            )
        rng = np.random.default_rng(0)
        shape = (_COMPARED, *self.file.shape)
        pictures = rng.integers(self.domain.low, self.domain.high + 1, shape).astype(np.int16)
        if (self._reference(graph, pictures) != self.predictor.predict_batch(pictures)).any():
            raise CertifyError(
                "the file does not compute what its integer graph says, so bounds on the graph "
                "prove nothing about it: export it again with tflite_export"
            )
        return graph

    def _reference(self, graph: IntegerGraph, pictures: Picture) -> Integers:
        (logits,) = reference.run(graph, self.stored(pictures))
        return logits

    def stored(self, pictures: Picture) -> Integers:
        """Grid integers -> stored integers of the input tensor, int64."""
        return pictures.astype(np.int64) + self.file.grid.zero_point

    def interval(self, boxes: list[Box]) -> Interval:
        """Boxes in grid integers -> one batch of intervals of the input tensor."""
        return Interval(
            self.stored(np.stack([box.low for box in boxes])),
            self.stored(np.stack([box.high for box in boxes])),
        )

"""What ``model.predict`` takes, as one array per model input."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tflite_export.keras_private import functional, input_structure

_MOST_EXAMPLES = 4096
_BATCH = 128


def model_inputs(
    model: Any, data: Any, *, what: str = "inputs", most: int = _MOST_EXAMPLES
) -> list[npt.NDArray[Any]]:
    """Arrays, lists of them, dictionaries by input name and data sets as one array per input.

    Args:
        model: a built Keras model.
        data: what its ``predict`` takes.
        what: the argument's name, for errors.
        most: examples taken of a data set, which may have no end. Arrays are left whole.

    Raises:
        ValueError: as many arrays as inputs are missing, a name that is no input, other shapes, no
            examples, NaN or infinity, or no numbers.
    """
    if _is_dataset(data):
        arrays = _collected(model, data, what, most)
    else:
        arrays = [_array(a, what) for a in _listed(model, data, what)]
    tensors = functional(model).inputs
    if len(arrays) != len(tensors):
        raise ValueError(
            f"{what} holds {len(arrays)} arrays for a model of {len(tensors)} inputs. Give one "
            f"array for each."
        )
    arrays = [_fitting(a, t, what) for a, t in zip(arrays, tensors, strict=True)]
    if len({len(array) for array in arrays}) > 1 or not len(arrays[0]):
        lengths = ", ".join(str(len(array)) for array in arrays)
        raise ValueError(
            f"{what} needs the same number of examples, at least 1. Received: {lengths}"
        )
    return arrays


def as_structured(model: Any, arrays: list[Any]) -> Any:
    """A list in the order of ``model.inputs`` in the form that the model itself takes."""
    import keras

    structure = input_structure(model)
    if structure is None:
        return arrays if len(arrays) > 1 else arrays[0]
    return keras.tree.pack_sequence_as(structure, arrays)


def batch_size(examples: int) -> int:
    """Examples a batch, at most 128, so that all batches have one size wherever that is possible.

    TensorFlow traces a model again for a last batch that is smaller, which costs more than the
    batch does.
    """
    batches = max(1, -(-examples // _BATCH))
    return max(1, -(-examples // batches))


def _listed(model: Any, data: Any, what: str) -> list[Any]:
    tensors = functional(model).inputs
    if isinstance(data, Mapping):
        structure = input_structure(model)
        keys = {id(t): k for k, t in structure.items()} if isinstance(structure, dict) else {}
        names = [keys.get(id(t), t.name) for t in tensors]
        if set(names) - set(data):
            raise ValueError(
                f"{what} is a dictionary without {sorted(set(names) - set(data))}; the model's "
                f"inputs are {', '.join(map(str, names))}."
            )
        return [data[name] for name in names]
    if isinstance(data, list | tuple) and (len(tensors) > 1 or _holds_batches(data, tensors[0])):
        return list(data)
    return [data]


def _holds_batches(data: Any, tensor: Any) -> bool:
    """Whether a list is a list of arrays for one input, rather than nested numbers."""
    return len(data) == 1 and np.ndim(data[0]) == len(tensor.shape)


def _is_dataset(data: Any) -> bool:
    """Data sets, generators and ``PyDataset``: what gives batches."""
    if isinstance(data, Mapping | list | tuple) or hasattr(data, "__array__"):
        return False
    return hasattr(data, "__iter__") or (hasattr(data, "__getitem__") and hasattr(data, "__len__"))


def _collected(model: Any, data: Any, what: str, most: int) -> list[npt.NDArray[Any]]:
    batches: list[list[npt.NDArray[Any]]] = []
    found = 0
    for batch in data if hasattr(data, "__iter__") else (data[i] for i in range(len(data))):
        # Keras reads a tuple as (x, y) or (x, y, weights).
        x = batch[0] if isinstance(batch, tuple) else batch
        batches.append([_array(a, what) for a in _listed(model, x, what)])
        found += len(batches[-1][0])
        if found >= most:
            break
    return [np.concatenate(parts)[:most] for parts in zip(*batches, strict=True)]


def _fitting(array: npt.NDArray[Any], tensor: Any, what: str) -> npt.NDArray[Any]:
    """An array of the input's shape; like Keras, a last axis of length 1 is added or left out."""
    wanted, given = tuple(tensor.shape[1:]), array.shape[1:]
    if len(given) == len(wanted) - 1 and wanted[-1] == 1:
        given = (*given, 1)
    elif len(given) == len(wanted) + 1 and given[-1] == 1:
        given = given[:-1]
    fits = len(given) == len(wanted) and all(
        w in (None, g) for w, g in zip(wanted, given, strict=True)
    )
    if not array.ndim or not fits:
        raise ValueError(
            f"{what}: input '{tensor.name}' takes arrays of shape {('examples', *wanted)}. "
            f"Received: {array.shape}"
        )
    return array.reshape(len(array), *given)


def _array(value: Any, what: str) -> npt.NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" and str(array.dtype) != "bfloat16":
        raise ValueError(f"{what} holds no numbers. Received: dtype {array.dtype}")
    if array.dtype.kind not in "iub":
        array = array.astype(np.float64 if array.dtype == np.float64 else np.float32)
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{what} holds NaN or infinity. Clean the data first.")
    return array

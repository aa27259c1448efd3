"""A recipe's sections from the tables of its file: names and types, each fault in one line."""

from dataclasses import fields, is_dataclass
from typing import Any

from tflite_export.printable import printable


def build(kind: Any, content: Any, where: str) -> Any:
    """Make a dataclass of a table.

    Args:
        kind: the dataclass.
        content: what the file holds.
        where: file and section, for the message.

    Raises:
        ValueError: no table, an unknown or missing key, a value of another type.
    """
    if not isinstance(content, dict):
        raise ValueError(f"{where}: a table is needed. Received: {content!r}")
    known = {f.name: f for f in fields(kind)}
    unknown = sorted(content.keys() - known.keys())
    if unknown:
        raise ValueError(f"{where}: unknown key '{unknown[0]}'. Known keys: {', '.join(known)}.")
    values = {}
    for name, value in content.items():
        values[name] = tuple(value) if isinstance(value, list) else value
        kind_of = known[name].type
        wanted = kind_of.__name__ if isinstance(kind_of, type) else str(kind_of)
        if not _fits(values[name], wanted):
            shown = printable(repr(value))
            raise ValueError(f"{where}: '{name}' is of type {wanted}. Received: {shown}")
    try:
        return kind(**values)
    except TypeError as error:
        missing = str(error).partition("argument")[2].lstrip("s: ")
        raise ValueError(f"{where}: missing {missing}") from None


def _fits(value: Any, annotation: str) -> bool:
    """Whether a value is what the annotation of a recipe's field says."""
    if is_dataclass(value):
        return True
    allowed: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "str | None": (str,),
        "int": (int,),
        "int | None": (int,),
        "float": (int, float),
        "int | str | collections.abc.Mapping[str, int | str]": (int, str, dict),
        "int | collections.abc.Mapping[str, int]": (int, dict),
        "tuple[float, ...]": (tuple,),
        "tuple[int, ...]": (tuple,),
        "tuple[str, ...]": (tuple,),
    }
    kinds = allowed.get(annotation, (dict,))
    return isinstance(value, kinds) and not isinstance(value, bool)

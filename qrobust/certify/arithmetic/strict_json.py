"""JSON from files that somebody else may have written: nothing doubtful, nothing endless."""

from __future__ import annotations

import json
import re
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError

_MOST_DIGITS = 40
_LONG = re.compile(rb"[0-9]{41}")
_SURROGATE = re.compile(rb"\\u[dD]")


def strict_json(raw: bytes, where: str) -> Any:
    """Parse one JSON text.

    Args:
        raw: the text in UTF-8.
        where: file and line, for the error message.

    Raises:
        CertifyError: no JSON, duplicate keys, NaN or infinity, numbers of more than 40
            characters, lone surrogates, nesting too deep.
    """
    # Asking about every number takes longer than parsing; few texts hold anything long.
    suspicious = _LONG.search(raw) is not None
    try:
        value = json.loads(
            raw,
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_int=(lambda text: int(_short(text))) if suspicious else None,
            parse_float=lambda text: _finite(_short(text)),
        )
        if _SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode()  # fails at a lone one
    except _Doubtful as error:
        raise CertifyError(f"{where}: {error}") from None
    except UnicodeEncodeError:
        raise CertifyError(f"{where}: holds a lone surrogate, which is no text") from None
    except RecursionError:
        raise CertifyError(f"{where}: nested too deeply") from None
    except ValueError:  # JSON and UTF-8 errors
        raise CertifyError(f"{where}: not JSON") from None
    return value


class _Doubtful(Exception):
    """What JSON allows and a certificate does not."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Doubtful(f"key {twice!r} stands twice")
    return value


def _no_number(text: str) -> Any:
    raise _Doubtful(f"{text} is no number")


def _short(text: str) -> str:
    if len(text) > _MOST_DIGITS:
        raise _Doubtful(f"a number of {len(text)} characters")
    return text


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _Doubtful(f"{text} is no finite number")
    return number

"""What was measured before on the same thing in the same way, or now."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tflite_export.atomic import write_text


def kept(
    path: Path,
    key: Mapping[str, Any],
    measure: Callable[[], dict[str, Any]],
    *,
    keep: bool = True,
) -> dict[str, Any]:
    """The result in a file, where its key is this one; else that of ``measure``, written there.

    Args:
        path: of the file.
        key: what the result depends on; hashes and settings.
        measure: makes the result.
        keep: whether it is written down.
    """
    wanted = json.loads(json.dumps(key))
    if path.exists():
        there: dict[str, Any] = json.loads(path.read_text())
        if there["key"] == wanted:
            found: dict[str, Any] = there["found"]
            return found
    found = measure()
    if keep:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({"key": wanted, "found": found}) + "\n")
    return found

"""The numbers of every epoch as a table that is whole after each of them."""

import csv
import io
from pathlib import Path
from typing import Any

import keras

from tflite_export.atomic import write_text


class Curve(keras.callbacks.Callback):
    """Writes ``epoch`` and what Keras logs, sorted, as CSV; one row an epoch.

    Args:
        path: of the file.
        done: epochs whose rows it holds already; a row whose checkpoint was not written any more
            is dropped, or it would come twice.
    """

    def __init__(self, path: Path, *, done: int) -> None:
        super().__init__()
        self.path = path
        kept = path.read_text().splitlines() if done and path.exists() else []
        self._lines = kept[: 1 + done]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Append the epoch and its logs to the file as one row."""
        logs = logs or {}
        if not self._lines:
            self._lines.append(_row(["epoch", *sorted(logs)]))
        names = next(csv.reader(self._lines[:1]))[1:]
        self._lines.append(_row([epoch, *(logs.get(name, "NA") for name in names)]))
        write_text(self.path, "\n".join(self._lines) + "\n")


def _row(cells: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()

"""Finished files take their names together, so that a folder is never half new."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tflite_export.atomic import replacing


def put_files(files: Sequence[Path], out: Path) -> None:
    """Put finished files into a folder: each is whole there before the first takes its name."""
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as staged:
        for path in reversed(files):  # a stack ends in the other order
            shutil.copyfile(path, staged.enter_context(replacing(out / path.name)))

"""Finished files take their names together, so that a folder is never half new."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path


def put_files(files: Sequence[Path], out: Path) -> None:
    """Put finished files into a folder: each is whole there before the first takes its name."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        staged = [Path(shutil.copy(path, folder)) for path in files]
        for path in staged:
            path.replace(out / path.name)

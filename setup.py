"""Puts the reference models and recipes into the wheel; all else is said in setup.cfg.

They stand in ``models/`` of a checkout, beside the packages and outside of them. A wheel has them
as ``qrobust/models``, where ``qrobust models`` finds them.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_MODELS = Path(__file__).parent / "models"
#: Larger files, such as networks of several hundred kilobytes, and journals are in the sdist only.
_MOST_BYTES = 300_000


def packed_models() -> list[Path]:
    """Files of ``models/`` that go into the wheel."""
    found = (path for path in sorted(_MODELS.rglob("*")) if path.is_file())
    return [
        path
        for path in found
        if path.stat().st_size < _MOST_BYTES
        and path.suffix in {".toml", ".md", ".json", ".tflite", ".keras"}
        and "log" not in path.relative_to(_MODELS).parts  # what a training leaves there
    ]


class BuildWithModels(build_py):
    """Copies them behind the packages; an editable install reads them where they are."""

    def run(self) -> None:
        """Build the packages, then copy."""
        super().run()
        if not self.editable_mode:
            for source, target in self._copies():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """All that is installed, so that it can be removed again."""
        copies = [] if self.editable_mode else [str(target) for _, target in self._copies()]
        return [*super().get_outputs(include_bytecode), *copies]

    def _copies(self) -> list[tuple[Path, Path]]:
        folder = Path(self.build_lib, "qrobust", "models")
        return [(path, folder / path.relative_to(_MODELS)) for path in packed_models()]


setup(cmdclass={"build_py": BuildWithModels})

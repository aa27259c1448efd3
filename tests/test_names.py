"""Test files of one name are found only where their folders are packages."""

from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent


def doubled(folder: Path) -> list[str]:
    """Names that stand twice among test files outside of packages: pytest takes one and stops."""
    files = [path for path in folder.rglob("test_*.py")
             if not (path.parent / "__init__.py").exists()]  # fmt: skip
    return sorted(name for name, times in Counter(p.name for p in files).items() if times > 1)


def test_no_name_stands_twice():
    assert doubled(ROOT) == []


def test_a_doubled_name_would_be_found(tmp_path):
    for folder in ("one", "other", "package"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test_ranges.py").touch()
    (tmp_path / "package" / "__init__.py").touch()
    assert doubled(tmp_path) == ["test_ranges.py"]

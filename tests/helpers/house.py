"""The packages as a graph of imports, and the lines that stand in them twice; read as text.

Nothing is imported: an import inside a function or under ``TYPE_CHECKING`` is an arrow like any
other, because whoever reads the module has to know what it points to.
"""

import ast
import io
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("tflite_export", "qrobust")

Arrows = dict[str, set[str]]


def python_files(*folders: str, root: Path = ROOT) -> list[Path]:
    """The Python files below some folders of the repository, sorted."""
    return sorted(path for folder in folders for path in (root / folder).rglob("*.py"))


def module_name(path: Path, root: Path = ROOT) -> str:
    """``tflite_export/lower/__init__.py`` -> ``tflite_export.lower``."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(packages: Iterable[str] = PACKAGES, root: Path = ROOT) -> Arrows:
    """Module -> the modules of the same packages that it imports from."""
    paths = {module_name(path, root): path for path in python_files(*packages, root=root)}
    arrows: Arrows = {}
    for name, path in paths.items():
        found = set(_imported(ast.parse(path.read_text()), paths))
        arrows[name] = found - {name}
    return arrows


def _imported(tree: ast.AST, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"line {node.lineno}: imports are absolute here")
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                if submodule in known:
                    yield submodule
                elif node.module in known:
                    yield node.module


def circle(arrows: Mapping[str, Iterable[str]]) -> list[str]:
    """One circle of a graph, its first node named again at the end; empty where there is none."""
    done: set[str] = set()

    def search(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for successor in sorted(arrows.get(node, ())):
            if found := search(successor, [*path, node]):
                return found
        done.add(node)
        return []

    for node in sorted(arrows):
        if found := search(node, []):
            return found
    return []


def room(module: str, rooms: Iterable[str]) -> str | None:
    """The longest of some dotted names that a module is, or lies in."""
    inside = [name for name in rooms if module == name or module.startswith(f"{name}.")]
    return max(inside, key=len, default=None)


@dataclass(frozen=True)
class Line:
    """One line of code: where it stands, and what it says with single spaces."""

    path: Path
    number: int
    text: str


def code_lines(path: Path) -> list[Line]:
    """Lines with code on them; docstrings, comments and imports are left out."""
    source = path.read_text()
    skipped = _passed_over(ast.parse(source))
    pieces: dict[int, list[str]] = defaultdict(list)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in _LAYOUT or token.start[0] in skipped:
            continue
        pieces[token.start[0]].append(token.string)
    return [Line(path, number, " ".join(pieces[number])) for number in sorted(pieces)]


_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def _passed_over(tree: ast.Module) -> set[int]:
    """Numbers of the lines of docstrings, imports and ``__all__``."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        names = isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
        )
        if text or names or isinstance(node, ast.Import | ast.ImportFrom):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def repeats(paths: Iterable[Path], length: int) -> list[tuple[Line, Line]]:
    """The first lines of blocks of ``length`` lines of code that stand in two places.

    Lines that consist of brackets and commas count: they belong to the block. Of overlapping
    blocks only the first pair is given.
    """
    first: dict[tuple[str, ...], Line] = {}
    found: list[tuple[Line, Line]] = []
    for path in paths:
        lines = code_lines(path)
        quiet_until = 0
        for start in range(len(lines) - length + 1):
            block = tuple(line.text for line in lines[start : start + length])
            other = first.setdefault(block, lines[start])
            if other is not lines[start] and start >= quiet_until:
                found.append((other, lines[start]))
                quiet_until = start + length
    return found


def outside(packages: Iterable[str] = PACKAGES, root: Path = ROOT) -> Arrows:
    """Module -> the top-level names it imports that are neither of these packages nor Python's.

    ``need("scipy.io", ...)`` of the data sets counts: it imports, or says what to install.
    """
    own = {*packages, *sys.stdlib_module_names}
    found: Arrows = {}
    for path in python_files(*packages, root=root):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "need":
                names.update(ast.literal_eval(argument) for argument in node.args)
        found[module_name(path, root)] = {name.partition(".")[0] for name in names} - own
    return found

"""What MkDocs asks while it builds the site: which files are pages, and what is generated.

Pages keep their paths in the repository, so that a link works on the site where it works in a
checkout; what they link to that is no page (a source file, a table of results) is copied beside
them. Generated: a page of the API for each public package, one object after the other as its
``__all__`` names them, and a page for each notebook.
"""

import ast
import json
import posixpath
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
#: Folders whose Markdown is for users or for those who work on the project.
_PAGES = ("docs/", "examples/", "models/", "tests/ondevice/")
#: The wheel's own page; the README says the same at more length.
_NO_PAGES = ("docs/package_page.md",)
#: Public packages, in the order of the reference.
API = (
    "qrobust",
    "qrobust.quantization",
    "qrobust.quantizers",
    "qrobust.layers",
    "qrobust.callbacks",
    "qrobust.training",
    "qrobust.architectures",
    "qrobust.datasets",
    "qrobust.audio",
    "qrobust.certify",
    "qrobust.certify.inputs",
    "qrobust.certify.c99",
    "qrobust.verify",
    "qrobust.attacks",
    "qrobust.corruptions",
    "qrobust.ensembles",
    "qrobust.web",
    "tflite_export",
    "tflite_export.c99",
)
_LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")


def on_config(config: Any) -> Any:
    """Put the reference's pages into the navigation, which only says where."""
    for entry in config.nav:
        if entry.get("API") == "api/":
            entry["API"] = [{package: _page_of(package)} for package in API]
    return config


def on_files(files: Files, config: Any) -> Files:
    """The site's files: pages, what they link to, the reference, the theme's own."""
    found: dict[str, File] = {}
    themes = [file for file in files if file.src_dir != config.docs_dir]
    texts = {page: (ROOT / page).read_text(encoding="utf-8") for page in _pages()}
    for page, text in texts.items():
        found[page] = _copy(config, page)
        for target in _LINK.findall(text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
            if (ROOT / path).is_file() and path not in texts:
                found[path] = _copy(config, path)
            if path.endswith(".ipynb") and (ROOT / path).is_file():
                shown = path.removesuffix(".ipynb") + "_page.md"
                text_of = notebook_page(json.loads((ROOT / path).read_text(encoding="utf-8")))
                found[shown] = File.generated(config, shown, content=text_of)
    for package in API:
        page = _page_of(package)
        found[page] = File.generated(config, page, content=api_page(package))
    return Files([*themes, *found.values()])


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to notebooks lead to their pages."""
    return re.sub(r"\]\(([\w/.]+)\.ipynb\)", r"](\1_page.md)", markdown)


def api_page(package: str) -> str:
    """The reference of a package: its docstring, then what it exports."""
    lines = [f"# {package}", "", f"::: {package}", "    options:", "      members: false"]
    lines += ["      show_root_heading: false", ""]
    module = _loaded(package)
    if module.exports is None:  # loads its names from elsewhere, when they are first used
        homes = ast.literal_eval(str(module.members["_HOMES"].value))
        for name, home in homes.items():
            page = home if home in API else home.rpartition(".")[0]
            shown = f"[{page}]({page}.md)" if page in API else f"`{home}`"
            lines.append(f"* `{package}.{name}` is described in {shown}")
            if page not in API:
                lines += ["", f"::: {home}.{name}", ""]
        return "\n".join(lines) + "\n"
    for path in exported(package):
        lines += [f"::: {path}", ""]
    return "\n".join(lines)


def exported(package: str) -> list[str]:
    """Where the public objects of a package are defined; read from its source, nothing runs."""
    module = _loaded(package)
    homes = _imported(module.filepath.read_text(encoding="utf-8"))
    found = [homes.get(name, f"{package}.{name}") for name in module.exports]
    # Constants say nothing by themselves; the docstrings that take them name them.
    return [path for path in found if not path.rpartition(".")[2].isupper()]


def _imported(source: str) -> dict[str, str]:
    """Where the names of a module are imported from; a room may have the name of its function."""
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _loaded(package: str) -> Any:
    return griffe.load(package, search_paths=[str(ROOT)])


def notebook_page(notebook: dict[str, Any]) -> str:
    """A notebook as Markdown: text as it is, code in fences, printed results below it."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(parts) + "\n"


def _pages() -> list[str]:
    found = [*ROOT.glob("*.md"), *(p for folder in _PAGES for p in ROOT.glob(f"{folder}**/*.md"))]
    paths = sorted(path.relative_to(ROOT) for path in found)
    return [p.as_posix() for p in paths if p.as_posix() not in _NO_PAGES and "log" not in p.parts]


def _page_of(package: str) -> str:
    return f"api/{package}.md"


def _copy(config: Any, path: str) -> File:
    return File.generated(config, path, abs_src_path=str(ROOT / path))

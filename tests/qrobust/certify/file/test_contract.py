"""The device side takes of ``tflite_export`` what one place lists, and no more."""

import ast
from pathlib import Path

import qrobust.certify
from qrobust.certify.file.contract import TAKEN

ROOT = Path(qrobust.certify.__file__).parent


def taken(source):
    """Modules of ``tflite_export`` that a module imports, by their first name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
            if node.module == "tflite_export":
                names = [f"tflite_export.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            package, _, module = name.partition(".")
            if package == "tflite_export":
                yield module.partition(".")[0]


def test_the_list_is_what_is_imported():
    found = {name for path in ROOT.rglob("*.py") for name in taken(path.read_text())}
    assert found == set(TAKEN)


def test_every_way_of_importing_is_seen():
    source = "import tflite_export.lower.model\nfrom tflite_export import a, b\n"
    source += "def f():\n    from tflite_export.sandbox.child import Child\n"
    assert set(taken(source)) == {"lower", "a", "b", "sandbox"}

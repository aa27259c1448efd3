"""Everything that these packages write goes through ``tflite_export.atomic``."""

import ast
from pathlib import Path

import pytest

import qrobust
import tflite_export

ROOTS = [Path(package.__file__).parent for package in (qrobust, tflite_export)]
#: Journals grow line by line, with a chain; the one function itself; what is no file of a user.
EXEMPT = {"certify/run/journal.py", "atomic.py"}
#: Written into memory, or into a temporary folder that goes with the command.
EXEMPT |= {"certify/report/page/pictures.py", "corruptions/pictures.py"}
EXEMPT |= {"commands/certify_family.py", "web/compile.py"}
WRITERS = {
    "write_bytes", "write_text", "savefig", "savez", "savez_compressed", "save", "tofile", "to_csv",
    "save_weights", "imsave", "export_archive", "copyfile", "copy", "copy2", "rename", "replace",
    "savetxt", "symlink_to", "hardlink_to", "touch",
}  # fmt: skip
#: Methods of these names on other things than files.
HARMLESS = {"copy", "replace", "save"}


def findings(source, name="module.py"):
    """(line, what) of calls that write to a path that ``replacing`` did not give."""
    tree = ast.parse(source)
    given = {
        item.optional_vars.id
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.context_expr, ast.Call)
        and getattr(item.context_expr.func, "id", "") == "replacing"
        and isinstance(item.optional_vars, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        called = getattr(function, "attr", getattr(function, "id", ""))
        owner = getattr(getattr(function, "value", None), "id", "")
        arguments = [*node.args, *(k.value for k in node.keywords)]
        if any(getattr(a, "id", None) in given for a in arguments):
            continue
        if any(_entered(a) for a in arguments):
            continue
        if called in ("open", "fdopen") and _writes(node, owner):
            yield node.lineno, called
        elif called == "CSVLogger" or (owner == "os" and called in ("rename", "replace", "link")):
            yield node.lineno, called
        elif isinstance(function, ast.Attribute) and called in WRITERS:
            if called == "save" and owner in ("self", "exported"):
                continue
            if called in ("copy", "replace") and owner != "shutil":
                if called == "replace" and len(node.args) == 1 and not node.keywords:
                    yield node.lineno, "Path.replace"
                continue
            yield node.lineno, called


def _entered(argument):
    """``stack.enter_context(replacing(...))``"""
    return (
        isinstance(argument, ast.Call)
        and getattr(argument.func, "attr", "") == "enter_context"
        and getattr(getattr(argument.args[0], "func", None), "id", "") == "replacing"
    )


def _writes(node, owner):
    if owner == "os":
        return any(
            name.attr in ("O_WRONLY", "O_RDWR", "O_CREAT")
            for name in ast.walk(node)
            if isinstance(name, ast.Attribute)
        )
    position = 0 if isinstance(node.func, ast.Attribute) else 1
    modes = [k.value for k in node.keywords if k.arg == "mode"] + node.args[position : position + 1]
    return any(
        isinstance(mode, ast.Constant)
        and isinstance(mode.value, str)
        and set(mode.value) & set("wax+")
        for mode in modes
    )


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_nothing_else_writes(root):
    found = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if name in EXEMPT:
            continue
        for line, what in findings(path.read_text()):
            found.append(f"{root.name}/{name}:{line}: {what}")
    # Standard streams are no files of a user.
    streams = ("sandbox/template.py", "qrobust/manners.py")
    assert [f for f in found if not any(name in f for name in streams)] == []


@pytest.mark.parametrize(
    "planted",
    [
        "Path('a').write_text('x')",
        "p.write_bytes(b'x')",
        "open('a', 'w')",
        "open('a', mode='ab')",
        "path.open('w')",
        "np.savez('a', x=1)",
        "figure.savefig(path)",
        "model.save(path)",
        "keras.callbacks.CSVLogger(path)",
        "os.open(p, os.O_RDWR)",
        "os.replace(a, b)",
        "beside.replace(path)",
        "shutil.copyfile(a, b)",
    ],
)
def test_the_check_bites(planted):
    assert list(findings(planted))


def test_the_check_lets_the_function_through():
    source = "with replacing(path) as beside:\n    model.save(beside)\nx.replace('a', 'b')"
    assert list(findings(source)) == []

"""``--help`` of every command: its examples are lines that its parser takes."""

import argparse
import shlex
import sys
from importlib.metadata import version

import pytest

from qrobust import cli

PARSER = cli._parser()
COMMANDS = next(a for a in PARSER._actions if isinstance(a, argparse._SubParsersAction)).choices


def examples(parser):
    lines = parser.epilog.replace("\\\n", " ").splitlines()
    typed = [shlex.split(line, comments=True) for line in lines if line.startswith("  qrobust ")]
    return [words[: words.index(">")] if ">" in words else words for words in typed]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_parse(name):
    found = examples(COMMANDS[name])
    assert found
    for _, *arguments in found:
        assert arguments[0] == name
        if "--help" not in arguments:
            assert callable(PARSER.parse_args(arguments).run)


def test_a_wrong_example_would_be_found():
    with pytest.raises(SystemExit):
        PARSER.parse_args(["corrupt", "model.tflite"])


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"qrobust {version('qrobust')}\n"


def test_completion_says_what_is_missing(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["--completion", "bash"])
    assert ended.value.code == 2
    assert "pip install 'qrobust[terminal]'" in capsys.readouterr().err


def test_completion_knows_commands_and_options(capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit):
        cli.main(["--completion", "bash"])
    shown = capsys.readouterr().out
    assert "certify" in shown and "--print-plan" in shown


def test_inspect_says_what_to_do_with_another_file(tmp_path, capsys):
    (tmp_path / "net.keras").write_bytes(b"PK\3\4 and more")
    assert cli.main(["inspect", str(tmp_path / "net.keras")]) == 2
    assert "looks like a Keras model: qrobust export" in capsys.readouterr().err
    assert cli.main(["inspect", str(tmp_path)]) == 2
    assert f"cannot read the model {tmp_path}: Is a directory" in capsys.readouterr().err

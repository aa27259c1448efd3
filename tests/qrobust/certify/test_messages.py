"""What people mistype, and whether the one line says what to do."""

import numpy as np
import pytest

from .test_cli import FAST, certify, main, place  # noqa: F401


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["d.npz", "m.tflite"], "looks like data: the model comes first"),
        (["net.keras", "d.npz"], "qrobust export net.keras OUT.tflite first"),
        (["c.jsonl", "d.npz"], "a journal of certificates"),
        (["bare.tflite", "d.npz", "--sigma", "0.25"], "it would be --sigma 63.75"),
        (["m.tflite", "d.npz", "--radius", ".5"], "it would be --radius 127.5"),
        (["m.tflite", "minus.npz"], "y holds -1; classes count from 0"),
        ([".", "d.npz"], "cannot read the model .: Is a directory"),
    ],
)
def test_a_message_says_what_to_do(place, capsys, arguments, message):  # noqa: F811
    (place / "net.keras").write_bytes(b"PK\3\4 and more")
    (place / "c.jsonl").write_text("{}\n")
    found = np.load("d.npz")
    np.savez("minus.npz", x=found["x"], y=found["y"] - 1)
    assert main([*arguments, "--out", "o.jsonl", *FAST]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_changed_data_are_called_so(place, capsys):  # noqa: F811
    assert certify("--limit", "3") == 0
    np.savez("d.npz", x=np.load("d.npz")["x"][::-1])
    assert certify("--limit", "3") == 2
    said = capsys.readouterr().err
    assert "the data changed since" in said


def test_changed_files_are_called_so(place, capsys):  # noqa: F811
    assert certify("--limit", "3") == 0
    with open("m.tflite", "ab") as file:
        file.write(b"\0" * 16)
    assert certify("--limit", "3") == 2
    assert "the model changed since" in capsys.readouterr().err

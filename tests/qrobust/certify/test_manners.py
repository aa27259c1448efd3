"""The commands among others in a shell: signals, pipes, closed streams, strange names."""

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from commands import CERTIFY, QROBUST, ignored_signals, run, start
from kills import of_pythons_start

from qrobust import cli, manners
from qrobust.certify.file import model_file

ENDLESS = ("--n", "10000000", "--quiet")


@pytest.fixture
def place(tmp_path, classifier, data):
    (tmp_path / "m.tflite").write_bytes(classifier)
    np.savez(tmp_path / "d.npz", x=data.x, y=data.y)
    return tmp_path


def certify(place, *options, **kwargs):
    return (
        *CERTIFY,
        place / "m.tflite",
        place / "d.npz",
        "--out",
        kwargs.get("out", place / "c.jsonl"),
        "--sigma",
        "30",
        *options,
    )


def wait_for(path, process, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)


def alive(session):
    """Processes of a session that are neither gone nor dead, and those they made."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
            with open(f"/proc/{pid}/environ", "rb") as environ:
                marked = session in environ.read()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if marked and fields[0] != "Z":
            found.append(int(pid))
    return found


@pytest.fixture
def mark(monkeypatch):
    """Every process started in this test carries it, and so do theirs."""
    text = f"qrobust-test-{os.getpid()}-{random.random()}"
    monkeypatch.setenv("QROBUST_TEST_MARK", text)
    return lambda: [pid for pid in alive(text.encode()) if pid != os.getpid()]


def nobody(mark, seconds=10):
    end = time.monotonic() + seconds
    while mark() and time.monotonic() < end:
        time.sleep(0.05)
    return not mark()


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_signals_in_a_long_run(place, mark, number, status, workers):
    """The terminal's signal reaches all of them; all end soon, with one line and no orphan."""
    process = start(*certify(place, *ENDLESS, "--workers", workers))
    wait_for(place / "c.jsonl", process)
    time.sleep(0.3)  # into the sampling
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == status
    assert "Traceback" not in errors
    if number != signal.SIGKILL:
        assert errors.strip() == "interrupted; run the same command again to go on"
    assert nobody(mark)
    assert len((place / "c.jsonl").read_text().splitlines()) == 1  # the header


@pytest.mark.ordinary(1)
@pytest.mark.parametrize("command", [CERTIFY, QROBUST], ids=["certify", "qrobust"])
def test_signals_in_the_first_moments(place, command):
    """Any time after Python itself is up, a line or silence, never a traceback."""
    for tenth in range(1, 7):
        number = (signal.SIGINT, signal.SIGTERM)[tenth % 2]
        words = ("certify",) if command is QROBUST else ()
        process = start(*command, *words, *certify(place, *ENDLESS)[len(CERTIFY) :])
        time.sleep(tenth / 10)
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=20)
        if of_pythons_start(errors):
            continue  # no line of this project has run
        assert process.returncode in (128 + number, -number)
        assert "Traceback" not in errors
        assert len(errors.splitlines()) <= 1


def test_a_second_signal_ends_at_once(place):
    process = start(*certify(place, *ENDLESS))
    wait_for(place / "c.jsonl", process)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors


SWALLOWS = """
import sys, time
from qrobust import manners
manners.PATIENCE_S = float(sys.argv[1])
def command():
    print("works", flush=True)
    try:
        time.sleep(60)
    except BaseException:  # as foreign code may
        time.sleep(60)
    return 0
sys.exit(manners.behave(lambda: command))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_got_lost_ends_it_all_the_same(number):
    process = start(sys.executable, "-c", SWALLOWS, "0.3")
    assert process.stdout.readline() == "works\n"
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert errors == {signal.SIGINT: "interrupted\n", signal.SIGTERM: "terminated\n"}[number]


def test_an_ignored_ctrl_c_stays_ignored(place):
    process = start(*certify(place, "--n", "20000", "--quiet"), signals=ignored_signals)
    wait_for(place / "c.jsonl", process)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "votes/s" in out


def test_a_reader_that_has_enough(place):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        status, _, errors = run(*QROBUST, "inspect", place / "m.tflite", stdout=writing)
    finally:
        os.close(writing)
    assert (status, errors) == (141, "")


def test_a_full_standard_output(place):
    with open("/dev/full", "w") as full:
        status, _, errors = run(*QROBUST, "inspect", place / "m.tflite", stdout=full)
    assert status == 2
    (line,) = errors.splitlines()
    assert line.startswith("error: ") and line.endswith("No space left on device")


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams(place, closed):
    words = " ".join(f"'{word}'" for word in certify(place, "--n", "200", "--quiet"))
    status, out, errors = run("sh", "-c", f"exec {words} {closed}")
    assert status == 0
    assert "error" not in out + errors
    lines = (place / "c.jsonl").read_text().splitlines()
    assert len(lines) == 14  # header, certificates, closing line
    assert all(json.loads(line) for line in lines)  # nothing else was written into the journal


def test_names_that_are_no_text(place):
    status, _, errors = run(*certify(place, "--n", "200", "--quiet"))
    assert status == 0, errors
    strange = os.path.join(os.fsencode(place), b"run\xff.jsonl")
    os.rename(place / "c.jsonl", strange)
    folder = os.path.join(os.fsencode(place), b"report\xfe")
    status, out, errors = run(*CERTIFY, "report", strange, "--out", folder)
    assert (status, errors) == (0, "")
    assert "report\\udcfe" in out
    assert b"report.md" in os.listdir(folder)


def test_a_table_into_a_pipe(place):
    os.mkfifo(place / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((place / "pipe").read_text()))
    reader.start()
    status, _, errors = run(*certify(place, "--n", "200", "--quiet", "--tsv", place / "pipe"))
    reader.join(10)
    assert (status, errors) == (0, "")
    assert len(got[0].splitlines()) == 13


def shared_memory(group):
    """What the processes of a group hold in /dev/shm under a name; other programs may use it.

    A progress bar's lock is a semaphore without a name, which it does without where there is none.
    """
    held = []
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            if os.getpgid(int(maps.parent.name)) == group:
                lines = maps.read_text().splitlines()
                held += [x for x in lines if "/dev/shm" in x and not x.endswith("(deleted)")]
        except OSError:  # it ended meanwhile
            continue
    return held


def test_no_shared_memory_is_needed(place):
    """Workers talk over sockets: no semaphore, nothing in /dev/shm."""
    process = start(*certify(place, *ENDLESS, "--workers", "2"))
    wait_for(place / "c.jsonl", process)
    time.sleep(0.2)
    try:
        assert shared_memory(process.pid) == []
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=20)


def test_shared_memory_would_be_seen():
    program = (
        "import time; from multiprocessing.shared_memory import SharedMemory as S\n"
        "held = S(create=True, size=8); print(flush=True)\n"
        "try: time.sleep(60)\n"
        "finally: held.close(); held.unlink()"
    )
    process = start(sys.executable, "-c", program)
    try:
        process.stdout.readline()
        assert len(shared_memory(process.pid)) == 1
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("options", [(), ("-u",)], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("words", [("--help",), ("certify", "--help"), ("models",), ("--version",)])
def test_a_full_standard_output_of_any_command(options, words):
    with open("/dev/full", "w") as full:
        command = (sys.executable, *options, "-m", "qrobust", *words)
        status, _, errors = run(*command, stdout=full)
    assert (status, errors) == (2, "error: stdout: No space left on device\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_error(place, monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "w") as full:
        status, _, _ = run(*QROBUST, "inspect", place / "none.tflite", stderr=full)
    assert status == 2


def test_too_little_memory_says_where_and_what_to_do(monkeypatch, capsys):
    def runs_out(path):
        return np.ones(1 << 60, np.uint8)

    monkeypatch.setattr(model_file, "read_model", runs_out)
    assert cli.main(["inspect", "m.tflite"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: out of memory in qrobust.commands.inspect (Unable to allocate")
    assert "give fewer or smaller inputs" in line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "out of memory in this command: give fewer or smaller inputs"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(28, "No space left on device", "a\x1b/b"), r"'a\x1b/b': No space left on device"),
        (OSError(18, "Cross-device link", "a", None, b"b"), "'a' -> 'b'"),
        (OSError(28, "No space left on device", manners.OUTPUT), "stdout: No space left on device"),
        (OSError("words"), "words"),
        (ValueError("two\nlines"), "two lines"),
    ],
    ids=range(7),
)
def test_what_a_line_says_of_an_error(error, line):
    assert manners.refusal(error).startswith(line)


def test_nothing_heavy_comes_before_the_handlers():
    """What Ctrl-C meets before is Python's own, with a traceback: it is kept short."""
    program = (
        "import sys; before = set(sys.modules); import qrobust.cli, qrobust.manners\n"
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before}))"
    )
    _, out, _ = run(sys.executable, "-S", "-c", program)
    assert not {"typing", "argparse", "numpy", "tflite_export", "re"} & set(out.split())
    assert "qrobust" in out.split()

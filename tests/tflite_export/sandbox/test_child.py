import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import child_services
import pytest
from commands import default_signals

from tflite_export.sandbox.child import MOST_LANES, Child
from tflite_export.sandbox.errors import RefusedError, SandboxError


@pytest.fixture
def child():
    with contextlib.closing(Child(child_services.obey, ("yes",), lanes=3)) as child:
        yield child


def ended(pid, within_s=10):
    """Whether a process is gone, or dead and not yet buried."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_answers_on_every_lane(child):
    assert [bytes(child.call("hello", lane=lane)) for lane in range(3)] == [b"yes hello"] * 3
    pids = {bytes(child.call("pid", lane=lane)) for lane in range(3)}
    assert len(pids) == 1
    assert int(pids.pop()) != os.getpid()


def test_lanes_work_at_a_time(child):
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda i: bytes(child.call(i, lane=i % 3)), range(3)))
    assert answers == [b"yes 0", b"yes 1", b"yes 2"]


def test_what_a_handler_raises_is_one_line_and_leaves_the_child_well(child):
    with pytest.raises(RefusedError, match="^first line$"):
        child.call("raise")
    assert bytes(child.call("again")) == b"yes again"


@pytest.mark.parametrize(("request_", "number"), [("die", 11), ("abort", 6)])
def test_a_crash_is_an_error_here(child, request_, number):
    with pytest.raises(SandboxError, match=f"ends the interpreter with signal {number}"):
        child.call(request_)
    with pytest.raises(SandboxError, match="ends the interpreter"):
        child.call("hello", lane=1)


def test_a_hang_ends_after_its_time(child):
    pid = int(bytes(child.call("pid")))
    with pytest.raises(SandboxError, match="takes more than 0.3 s"):
        child.call("hang", limit_s=0.3)
    assert ended(pid)


def test_memory_is_limited(child):
    with pytest.raises(RefusedError, match="MemoryError"):
        child.call("allocate")


def test_no_file_is_written(child):
    with pytest.raises(RefusedError, match="too large"):
        child.call("write")


def test_an_answer_has_its_length(child):
    assert len(child.call("talk", longest=1000)) == 1000
    with pytest.raises(SandboxError, match="more than it can have to say"):
        child.call("talk", lane=1, longest=999)


def test_a_child_is_silent(child, capfd):
    child.call("print")
    assert capfd.readouterr() == ("", "")


def test_a_factory_that_fails():
    with contextlib.closing(Child(child_services.broken, ())) as child:
        with pytest.raises(RefusedError, match="no handler"):
            child.call("hello")


def test_closing_ends_the_process(child):
    pid = int(bytes(child.call("pid")))
    child.close()
    assert ended(pid)
    child.close()  # twice is fine


def test_kill_frees_a_waiting_thread(child):
    failed = []

    def wait():
        with contextlib.suppress(SandboxError):
            child.call("hang")
        failed.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    child.kill()
    thread.join(10)
    assert failed


@pytest.mark.parametrize("lanes", [0, MOST_LANES + 1])
def test_lanes_in_bounds(lanes):
    with pytest.raises(SandboxError, match="lanes"):
        Child(child_services.obey, ("yes",), lanes=lanes)


def test_a_fork_of_this_process_has_children_of_its_own(child):
    mine = bytes(child.call("pid"))
    other = os.fork()
    if other == 0:
        try:
            own = Child(child_services.obey, ("own",))
            os._exit(0 if bytes(own.call("hello")) == b"own hello" else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0
    assert bytes(child.call("pid")) == mine


SCRIPT = """
import child_services, os, sys, time
from tflite_export.sandbox.child import Child, _running_template
children = [Child(child_services.obey, ("yes",)) for _ in range(2)]
pids = [int(bytes(child.call("pid"))) for child in children]
print(_running_template().process.pid, *pids, flush=True)
{end}
"""


@pytest.mark.ordinary(2)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None], ids=str)
def test_no_orphans(number, tmp_path):
    """However the parent ends, even while its children hang, they end with it."""
    waiting = "[c for c in children][0].call('hang')" if number else "pass"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT).format(end=waiting)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=default_signals,  # noqa: PLW1509 no threads here that could hold a lock
    )
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 3
    if number:
        time.sleep(0.1)
        os.kill(process.pid, number)
    process.communicate(timeout=20)
    assert all(ended(pid) for pid in pids)


def test_a_template_that_hears_nothing_holds_nobody_up():
    """As one that still imports on a busy machine; it ends too, and so do its children."""
    script = SCRIPT.format(end="os.kill(_running_template().process.pid, 19)  # SIGSTOP")
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    pids = [int(word) for word in process.stdout.readline().split()]
    process.communicate(timeout=8)
    assert process.returncode == 0
    assert all(ended(pid) for pid in pids)


def test_no_orphans_when_the_template_dies():
    script = SCRIPT.format(end="os.kill(_running_template().process.pid, 9); time.sleep(30)")
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    pids = [int(word) for word in process.stdout.readline().split()]
    try:
        assert all(ended(pid) for pid in pids[1:])
    finally:
        process.kill()
        process.communicate(timeout=20)

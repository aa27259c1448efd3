import sys

import pytest

from . import debian
from .command import run_command
from .runtime import Unavailable


def test_returns_output():
    assert run_command([sys.executable, "-c", "print(3)"], timeout_s=60) == "3\n"


def test_failure_shows_the_last_lines():
    script = "import sys; sys.exit('no network')"
    with pytest.raises(Unavailable, match="status 1: no network"):
        run_command([sys.executable, "-c", script], timeout_s=60)


def test_missing_command():
    with pytest.raises(Unavailable, match="no-such-program is not installed"):
        run_command(["no-such-program"], timeout_s=60)


def test_timeout_ends_grandchildren_too():
    # The grandchild holds the pipe: waiting for it would take ten minutes.
    script = "import subprocess; subprocess.run(['sleep', '600'])"
    with pytest.raises(Unavailable, match="took over 1 s"):
        run_command([sys.executable, "-c", script], timeout_s=1)


def test_present_package_is_not_installed():
    found = debian.find_or_install("python3", ["no-such-program", sys.executable])
    assert found == sys.executable


def test_missing_package_without_apt(monkeypatch):
    monkeypatch.setattr(debian.shutil, "which", lambda _: None)
    with pytest.raises(Unavailable, match="no-such-program.*no apt-get"):
        debian.find_or_install("some-package", ["no-such-program"])


def test_missing_package_without_root(monkeypatch):
    which = {"apt-get": "/usr/bin/apt-get"}.get
    monkeypatch.setattr(debian.shutil, "which", which)
    monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)
    with pytest.raises(Unavailable, match="apt-get install some-package"):
        debian.find_or_install("some-package", ["no-such-program"])

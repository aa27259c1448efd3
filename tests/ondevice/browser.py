"""A headless Chromium for the time of one `with` block."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from .process_group import end_group

_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have a small one
    "--no-first-run",
    "--no-default-browser-check",
    # It is to talk to nobody but this machine.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--disable-breakpad",
)
_SHOWN_LINES = 3
_END_TIMEOUT_S = 20


class Browser:
    """Opens one page with an empty profile; ends every process it started."""

    def __init__(self, executable: str, url: str):
        """Takes the Chromium to start and the page to open."""
        self._executable = executable
        self._url = url

    def __enter__(self) -> Self:
        """Starts it."""
        self._folder = tempfile.TemporaryDirectory(
            prefix="ondevice-chromium-", ignore_cleanup_errors=True
        )
        self._log = Path(self._folder.name, "log")
        # Chromium's sandbox refuses to work for root.
        rights = ["--no-sandbox"] if os.geteuid() == 0 else []
        # Killed with this process even where that has no time to clean up.
        bond = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        profile = f"--user-data-dir={Path(self._folder.name, 'profile')}"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [*bond, self._executable, *_FLAGS, *rights, profile, self._url],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a process group of its own, to be ended as one
            )
        return self

    def __exit__(self, *exception: object) -> None:
        """Ends it."""
        end_group(self._process)
        self._process.wait(timeout=_END_TIMEOUT_S)
        self._folder.cleanup()

    def death(self) -> str | None:
        """Returns why the browser has ended, or None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        said = self._log.read_text(errors="replace").strip().splitlines()[-_SHOWN_LINES:]
        return f"the browser ended with status {status}: {' | '.join(said)}"

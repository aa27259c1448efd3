"""Runs an installer's command with a time limit and a readable error."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .process_group import run_in_group
from .runtime import Unavailable

_SHOWN_LINES = 4


def run_command(
    command: Sequence[str],
    *,
    timeout_s: float,
    extra_env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Returns the command's standard output.

    Raises:
        Unavailable: When the command is missing, fails or takes longer than `timeout_s` seconds.
            The text ends with the last lines that the command wrote.
    """
    try:
        env = {**os.environ, **(extra_env or {})}
        done = run_in_group(command, timeout_s=timeout_s, env=env, cwd=cwd)
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"`{' '.join(command[:3])} ...` took over {timeout_s:g} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-_SHOWN_LINES:]
        raise Unavailable(
            f"`{' '.join(command[:3])} ...` failed with status {done.returncode}: "
            f"{' | '.join(said) or 'it wrote nothing'}"
        )
    return done.stdout

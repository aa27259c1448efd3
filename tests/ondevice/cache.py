"""The folder that keeps what the on-device runs downloaded."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from .runtime import Unavailable

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

CACHE_VARIABLE = "QROBUST_ONDEVICE_CACHE"


def default_cache() -> Path:
    """Returns `$QROBUST_ONDEVICE_CACHE`, or `~/.cache/qrobust/ondevice`."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".cache" / "qrobust" / "ondevice"


def cached_folder(cache: Path, name: str, build: Callable[[Path], None]) -> Path:
    """Returns `cache/name`, built once.

    `build` fills a folder of its own, which gets its name only when `build` has returned: an
    install that is killed leaves nothing that a later one could take for complete. Processes that
    want the same folder at the same time wait for the first.

    Args:
        cache: The cache folder; made when missing.
        name: The folder's name; has to change with every version that goes into it.
        build: Fills the empty folder it is given.

    Raises:
        Unavailable: From `build`, or when the cache cannot be written.
    """
    folder = cache.resolve() / name
    if folder.is_dir():
        return folder
    if fcntl is None:
        raise Unavailable("the install cache needs file locks (fcntl), which this system lacks")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = open(folder.with_name(f".{name}.lock"), "w")
    except OSError as error:
        raise Unavailable(f"cannot write to the cache folder {cache}: {error}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the system lets go of it when the process dies
        if folder.is_dir():
            return folder
        for stale in folder.parent.glob(f".{name}.partial-*"):
            shutil.rmtree(stale, ignore_errors=True)  # whoever made it died: we hold the lock
        # A new name each time: a child of the dead one may still be writing to the old folder.
        partial = Path(tempfile.mkdtemp(prefix=f".{name}.partial-", dir=folder.parent))
        partial.chmod(0o755)
        try:
            build(partial)
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return folder

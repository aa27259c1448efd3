"""Append-only JSON lines that survive a kill at any byte and show every edit.

The first line is a header with the plan and where keys come from; each later line is one
certificate, and a closing line says that the plan is done. Every line ends in ``"chain"``: SHA-256
over the previous line's chain and this line's own content, so a line cannot be changed, dropped or
moved without breaking the next ones. Times are outside the chain: a resumed journal equals an
uninterrupted one but for ``seconds``.

The chain shows accidents and careless edits. Someone who rewrites every chain is caught by
:mod:`qrobust.certify.auditing`, which runs the certificates again.

Version 2 has a plan, a key, pilot votes and the closing line; journals of version 1, whose header
held the settings and a seed, are still audited and reported.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from qrobust.certify.arithmetic.errors import CertifyError
from qrobust.certify.arithmetic.strict_json import strict_json

FORMAT = "qrobust.certificates"
FORMAT_VERSION = 2
VERSIONS = (1, 2)
#: The closing line: ``{"closed": number of certificates, "chain": ...}``.
CLOSED = "closed"
_MOST_BYTES = 1 << 24

# Every header starts with these bytes: an unfinished one is told from a foreign file.
_MAGIC = f'{{"format":"{FORMAT}"'.encode()
_UNCHAINED = ("chain", "seconds")


@dataclass(frozen=True)
class Line:
    """One checked line of a journal.

    Attributes:
        number: of the line, from 1.
        value: its JSON object.
        end: file offset past it.
    """

    number: int
    value: dict[str, Any]
    end: int


def chain(previous: str, value: dict[str, Any]) -> str:
    """Return the chain value of a line that follows ``previous``."""
    content = {name: item for name, item in value.items() if name not in _UNCHAINED}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256((previous + canonical).encode()).hexdigest()


def read_lines(
    path: str | os.PathLike[str], *, chained: bool = True, whole: bool = False
) -> Iterator[Line]:
    """Yield the finished lines of a journal, header first; an unfinished last line is left out.

    Args:
        path: the journal.
        chained: refuse a line whose chain does not follow; without it the caller looks himself.
        whole: refuse an unfinished last line, rather than leave it out.

    Raises:
        CertifyError: no journal, or one damaged or edited; the message names the line.
    """
    name = os.fspath(path)
    previous, end, number = "", 0, 0
    try:
        with open(path, "rb") as file:
            while raw := file.readline(_MOST_BYTES):
                number += 1
                if not raw.endswith(b"\n"):
                    if len(raw) == _MOST_BYTES:
                        raise CertifyError(f"{name}, line {number}: longer than any certificate")
                    if whole and number > 1:
                        raise CertifyError(
                            f"{name}: its last line is torn; certify again to finish it"
                        )
                    return
                end += len(raw)
                value = _parse(raw, name, number)
                if number == 1:
                    _check_format(value, name)
                if chained and value.get("chain") != chain(previous, value):
                    raise CertifyError(
                        f"{name}, line {number}: edited or damaged (its chain does not follow "
                        "from the lines before); restore the file or start another journal"
                    )
                previous = str(value.get("chain"))
                yield Line(number, value, end)
    except OSError as error:
        raise CertifyError(f"cannot read the journal {name}: {error.strerror}") from None


def first_object(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The object of a journal's first line, to tell kinds apart; empty where there is none.

    Errors are left to whoever reads the journal, and so is a pipe, which can be read once only.
    """
    try:
        with open(path, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return {}
            value = strict_json(file.readline(_MOST_BYTES), os.fspath(path))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _parse(raw: bytes, name: str, number: int) -> dict[str, Any]:
    where = f"{name}, line {number}"
    try:
        value = strict_json(raw, where)
    except CertifyError as error:
        if number == 1 and not raw.startswith(_MAGIC):
            raise CertifyError(f"{error}; this is no journal of certificates") from None
        raise CertifyError(f"{error}; the journal is damaged") from None
    if not isinstance(value, dict):
        raise CertifyError(f"{where}: not a JSON object; this is no journal of certificates")
    return value


def _check_format(header: dict[str, Any], name: str) -> None:
    if header.get("format") != FORMAT:
        raise CertifyError(f"{name} is no journal of certificates; choose another file")
    if header.get("version") not in VERSIONS or type(header["version"]) is not int:
        raise CertifyError(
            f"{name} has journal version {header.get('version')!r}, this program reads "
            f"{' and '.join(map(str, VERSIONS))}; use the version that wrote it"
        )


class Journal:
    """A journal open for appending; only one process may have it open.

    What is no regular file (a pipe, ``/dev/null``) gets the lines as they come: there is nothing
    to resume and nothing to lock.

    Args:
        path: the file; made if missing, resumed if it has the same header.
        header: what the certificates are about (model, data, parameters).

    Attributes:
        done: indices of the images already certified.
        closed: whether the closing line is written.

    Raises:
        CertifyError: an unwritable place, a file in use, a foreign or damaged journal, or one
            with another header.
    """

    def __init__(self, path: str | os.PathLike[str], header: dict[str, Any]) -> None:
        self.path = Path(path)
        self.done: set[int] = set()
        self.closed = False
        self._chain = ""
        self._end = 0
        header = {"format": FORMAT, "version": FORMAT_VERSION, **header}
        self._streams = is_stream(self.path)
        access = os.O_WRONLY if self._streams else os.O_RDWR | os.O_CREAT
        try:
            self._file = os.open(self.path, access | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise CertifyError(
                f"cannot write the journal {self.path}: {error.strerror}; choose another --out"
            ) from None
        try:
            if self._streams:
                self._write(header)
            else:
                self._lock()
                self._resume(header)
        except BaseException:
            os.close(self._file)
            raise

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on this system: two writers would be the caller's mistake
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CertifyError(
                f"the journal {self.path} is being written by another process"
            ) from None

    def _resume(self, header: dict[str, Any]) -> None:
        size = os.fstat(self._file).st_size
        head = os.pread(self._file, len(_MAGIC), 0)
        if not _MAGIC.startswith(head):
            raise CertifyError(f"{self.path} is no journal of certificates; choose another --out")
        for line in read_lines(self.path):
            if line.number == 1:
                _same_header(line.value, header, self.path)
            elif self.closed:
                raise CertifyError(f"{self.path}, line {line.number}: follows the closing line")
            elif CLOSED in line.value:
                self.closed = True
            else:
                index = line.value.get("index")
                if type(index) is not int or index in self.done:
                    raise CertifyError(f"{self.path}, line {line.number}: image {index!r} again")
                self.done.add(index)
            self._chain, self._end = line.value["chain"], line.end
        if size > self._end:
            os.ftruncate(self._file, self._end)  # a line cut off by a kill: done again
        if not self._end:
            self._write(header)
            self._sync_folder()

    def append(self, value: dict[str, Any]) -> None:
        """Write one certificate and wait until the disk has it.

        Raises:
            CertifyError: the disk is full or fails; the journal keeps every earlier line.
        """
        self._write(value)
        self.done.add(value["index"])

    def finish(self) -> None:
        """Write the closing line, once."""
        if not self.closed:
            self._write({CLOSED: len(self.done)})
            self.closed = True

    def _write(self, value: dict[str, Any]) -> None:
        link = chain(self._chain, value)
        line = json.dumps({**value, "chain": link}, separators=(",", ":"), allow_nan=False) + "\n"
        rest = memoryview(line.encode())
        try:
            offset = self._end
            while rest:
                if self._streams:
                    written = os.write(self._file, rest)
                else:
                    written = os.pwrite(self._file, rest, offset)
                rest, offset = rest[written:], offset + written
            if not self._streams:
                os.fsync(self._file)
        except BrokenPipeError:
            raise  # the reader has enough: no error
        except OSError as error:
            if self._streams:
                raise CertifyError(f"cannot write to {self.path}: {error.strerror}") from None
            with suppress(OSError):  # else the next run cuts the unfinished line
                os.ftruncate(self._file, self._end)
            raise CertifyError(
                f"cannot write to the journal {self.path}: {error.strerror}; the certificates "
                "before are kept: make room and run the same command again"
            ) from None
        self._chain, self._end = link, self._end + len(line.encode())

    def _sync_folder(self) -> None:
        """Make a new file's name itself durable."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Close the file and give up the lock."""
        os.close(self._file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether lines only pass through what is there: a pipe, a device; not a file or a folder."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


#: Digests, whose values say nothing to people.
_CONTENTS = {"data_sha256": "the data", "model_sha256": "the model"}


def _same_header(found: dict[str, Any], wanted: dict[str, Any], path: Path) -> None:
    if found.get("version") != wanted["version"]:
        raise CertifyError(
            f"{path} is a journal of version {found.get('version')}, which can be audited and "
            "reported, not gone on with; choose another --out"
        )
    for name, old, new in _leaves(found, wanted):
        if old != new and name in _CONTENTS:
            raise CertifyError(
                f"{path} is a journal with {name}={str(old)[:8]}..., this run has "
                f"{str(new)[:8]}...: {_CONTENTS[name]} changed since, or another was given; "
                "choose another --out"
            )
        if old != new:
            raise CertifyError(
                f"{path} is a journal with {name}={old!r}, this run has {new!r}; run with the "
                "same settings, images and key, or choose another --out"
            )


def _leaves(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Pairs of values; of the plan's, each of its own, so that a message can name it."""
    for name in sorted((found.keys() | wanted.keys()) - {"chain", "plan_sha256"}):
        old, new = found.get(name), wanted.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _leaves(old, new)
        else:
            yield name, old, new

"""Storage that fails: at the k-th call, or when a file grows."""

import builtins
import errno
import io
import os

CALLS = ("open", "write", "fsync", "replace", "close", "chmod")


class Fault(OSError):
    """The planted one."""


class Storage:
    """Counts the calls that touch the disk and fails the one with number ``failing``."""

    def __init__(self, monkeypatch, failing=None):
        self.calls = []
        self.failing = failing
        for name in ("open", "fsync", "replace", "chmod"):
            monkeypatch.setattr(os, name, self._wrapped(f"os.{name}", getattr(os, name)))
        opened = builtins.open

        def open_(file, mode="r", *args, **kwargs):
            if not isinstance(file, int) and set(mode) & set("wax+"):
                self._count("open")
                return _Failing(opened(file, mode, *args, **kwargs), self)
            return opened(file, mode, *args, **kwargs)

        monkeypatch.setattr(builtins, "open", open_)
        monkeypatch.setattr(io, "open", open_)

    def _wrapped(self, name, function):
        def call(*args, **kwargs):
            self._count(name)
            return function(*args, **kwargs)

        return call

    def _count(self, name):
        self.calls.append(name)
        if len(self.calls) - 1 == self.failing:
            raise Fault(errno.ENOSPC, f"planted at {name}")


class _Failing:
    """A file whose writes are counted; half of the data gets through before one fails."""

    def __init__(self, file, storage):
        self._file, self._storage = file, storage

    def write(self, data):
        try:
            self._storage._count("write")
        except Fault:
            self._file.write(data[: len(data) // 2])
            raise
        return self._file.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def __iter__(self):
        return iter(self._file)

    def __getattr__(self, name):
        return getattr(self._file, name)

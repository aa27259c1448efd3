"""Named metadata of a ``.tflite`` file: read with every offset checked, write with the schema.

Reading trusts nothing: a truncated or foreign file gives one clear error and can neither crash
the process nor make it walk forever. Writing is for files that the interpreter accepts.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from qrobust.certify.arithmetic.errors import CertifyError

_IDENTIFIER = b"TFL3"
# Field numbers of the tables in the TFLite schema.
_MODEL_BUFFERS, _MODEL_METADATA = 4, 6
_METADATA_NAME, _METADATA_BUFFER = 0, 1
_BUFFER_DATA = 0


class _Reader:
    """Bounds-checked access to a flatbuffer; every failure is a `CertifyError`."""

    def __init__(self, content: bytes) -> None:
        if len(content) < 8 or content[4:8] != _IDENTIFIER:
            raise CertifyError("not a .tflite file: the identifier TFL3 is missing")
        self.content = content

    def number(self, position: int, form: str) -> int:
        size = struct.calcsize(form)
        if not 0 <= position <= len(self.content) - size:
            raise CertifyError(
                f"a damaged .tflite file: an offset points to byte {position} "
                f"of {len(self.content)}; export or copy it again"
            )
        return int(struct.unpack_from(form, self.content, position)[0])

    def follow(self, position: int) -> int:
        return position + self.number(position, "<I")

    def field(self, table: int, number: int) -> int | None:
        """Position of a table's field, or None where the field is absent."""
        vtable = table - self.number(table, "<i")
        slot = 4 + 2 * number
        if slot + 2 > self.number(vtable, "<H"):
            return None
        offset = self.number(vtable + slot, "<H")
        return table + offset if offset else None

    def vector(self, position: int, size: int) -> tuple[int, int]:
        """First element and length of the vector that ``position`` refers to."""
        start = self.follow(position)
        length = self.number(start, "<I")
        if start + 4 + length * size > len(self.content):
            raise CertifyError(
                f"a damaged .tflite file: {length} elements at byte {start} do not fit into "
                f"{len(self.content)} bytes; export or copy it again"
            )
        return start + 4, length

    def bytes_at(self, position: int) -> bytes:
        start, length = self.vector(position, 1)
        return self.content[start : start + length]


def read_metadata(content: bytes, name: str) -> bytes | None:
    """Return the metadata entry called ``name``, or None where the file has none.

    Args:
        content: the ``.tflite`` file.
        name: name of the entry.

    Raises:
        CertifyError: not a ``.tflite`` file, or a damaged one.
    """
    reader = _Reader(content)
    model = reader.follow(0)
    entries = reader.field(model, _MODEL_METADATA)
    if entries is None:
        return None
    first, count = reader.vector(entries, 4)
    for i in range(count):
        entry = reader.follow(first + 4 * i)
        field = reader.field(entry, _METADATA_NAME)
        if field is None or reader.bytes_at(field) != name.encode():
            continue
        index = reader.field(entry, _METADATA_BUFFER)
        return _buffer(reader, model, 0 if index is None else reader.number(index, "<I"))
    return None


def _buffer(reader: _Reader, model: int, index: int) -> bytes:
    buffers = reader.field(model, _MODEL_BUFFERS)
    first, count = (0, 0) if buffers is None else reader.vector(buffers, 4)
    if index >= count:
        raise CertifyError(f"a damaged .tflite file: metadata in buffer {index} of {count}")
    data = reader.field(reader.follow(first + 4 * index), _BUFFER_DATA)
    return b"" if data is None else reader.bytes_at(data)


def write_metadata(content: bytes, name: str, data: bytes) -> bytes:
    """Return the file with the metadata entry ``name`` added or replaced.

    Everything else is kept: other metadata, and the archive of labels behind the model.

    Args:
        content: a ``.tflite`` file that the interpreter accepts.
        name: name of the entry.
        data: its bytes.

    Raises:
        CertifyError: not a ``.tflite`` file, or a damaged one.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    present = read_metadata(content, name) is not None
    try:
        model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    except (struct.error, IndexError, ValueError, TypeError, AttributeError) as error:
        raise CertifyError(f"a damaged .tflite file cannot take metadata: {error}") from None
    buffer = schema.BufferT()
    buffer.data = list(data)
    if present:
        entry = next(e for e in model.metadata if e.name == name.encode())
        model.buffers[entry.buffer] = buffer
    else:
        entry = schema.MetadataT()
        entry.name = name
        entry.buffer = len(model.buffers)
        model.buffers.append(buffer)
        model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(content) + len(data) + 1024)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return _with_archive(bytes(builder.Output()), content)


def _with_archive(written: bytes, content: bytes) -> bytes:
    """The file with the ZIP archive that stood behind ``content``, if one did."""
    whole = io.BytesIO(written)
    with zipfile.ZipFile(whole, "a") as copy:
        for entry, data in _archived(content):
            copy.writestr(zipfile.ZipInfo(entry.filename, entry.date_time), data)
        if not copy.infolist():
            return written
    return whole.getvalue()


def _archived(content: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > len(content):
                return []  # Packed or overlapping: none of ours, and a bomb perhaps.
            return [(entry, archive.read(entry)) for entry in entries]
    except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError, EOFError):
        return []  # Nothing that could be read as an archive.

"""A file of records that is either whole or refused: each record carries its length and checksum, and the file says where it ends."""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"cloudtrader market 2\n"
_RECORD = struct.Struct("<II")
_END = _RECORD.pack(0, 0)


class SnapshotError(Exception):
    """A snapshot cannot be used; the message says why."""


class SnapshotWriter:
    """Writes records beside the file, which is replaced at once when all of them are on the disk. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._partial.unlink(missing_ok=True)
        self._file = self._partial.open("xb")
        self._file.write(MAGIC)

    def add(self, record: bytes) -> None:
        """Append a record, which must not be empty."""
        self._file.write(_RECORD.pack(len(record), zlib.crc32(record)))
        self._file.write(record)

    def commit(self) -> None:
        """Put the new file in place of the old one."""
        with self._file:
            self._file.write(_END)
            self._file.flush()
            os.fsync(self._file.fileno())
        self._partial.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def discard(self) -> None:
        """Leave the old file as it is."""
        self._file.close()
        self._partial.unlink(missing_ok=True)


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a file. Raises SnapshotError at the first that is not as it was written, and OSError."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise SnapshotError("it is no snapshot that this version reads")
        while (frame := file.read(_RECORD.size)) != _END:
            if len(frame) < _RECORD.size:
                raise SnapshotError("it ends too early")
            length, checksum = _RECORD.unpack(frame)
            record = file.read(length)
            if len(record) < length:
                raise SnapshotError("it ends too early")
            if zlib.crc32(record) != checksum:
                raise SnapshotError("it is damaged")
            yield record

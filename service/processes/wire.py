"""What worker, fork parent and children say to one another: pickled tuples, and only plain values come back.

Worker and fork parent keep message boundaries with a SEQPACKET socket; a child's socket is a stream, where
each message is its length (8 bytes, big-endian) and then its bytes.
"""

import asyncio
import io
import pickle
import socket
import struct
from typing import Any, Final

LENGTH: Final = struct.Struct("!Q")

# What a child may hand back in addition to numbers, texts, lists and dicts. Anything else would import heavy
# libraries into the worker, or let a harmful model reach from the child into it.
_PLAIN: Final = frozenset(
    {
        ("builtins", "bytearray"),
        ("builtins", "complex"),
        ("builtins", "frozenset"),
        ("builtins", "set"),
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
        ("domain.errors", "_rebuild"),
        ("pathlib", "PosixPath"),
        ("pathlib", "PurePosixPath"),
        ("uuid", "UUID"),
    }
)


class NotPlain(Exception):
    """A message is broken, or holds something that is neither a plain value nor the domain's."""


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        is_plain = (module, name) in _PLAIN
        if is_plain or (module.partition(".")[0] == "domain" and "." not in name):
            found = super().find_class(module, name)
            # A module of the domain also holds what it has imported, which is none of its values.
            if is_plain or (isinstance(found, type) and found.__module__ == module):
                return found
        raise NotPlain(f"{module}.{name} is neither a plain value nor one of the domain's")


def pack(message: object) -> bytes:
    """Turn a message into bytes."""
    return pickle.dumps(message, protocol=5)


def unpack_plain(data: bytes) -> Any:
    """Read a message that a child wrote. Raises NotPlain."""
    try:
        return _PlainUnpickler(io.BytesIO(data)).load()
    except NotPlain:
        raise
    except Exception as error:  # broken bytes raise nearly anything
        raise NotPlain(f"unreadable: {type(error).__name__}") from error


def frame(data: bytes) -> bytes:
    """Put the length before a packed message."""
    return LENGTH.pack(len(data)) + data


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Read one message of a child. Raises IncompleteReadError when the child is gone."""
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    return await reader.readexactly(length)


def receive_frame(connection: socket.socket) -> bytes | None:
    """Wait for one message, in a child; None when the worker is gone."""
    head = _receive(connection, LENGTH.size)
    return None if head is None else _receive(connection, LENGTH.unpack(head)[0])


def _receive(connection: socket.socket, size: int) -> bytes | None:
    buffer = bytearray(size)
    view, got = memoryview(buffer), 0
    while got < size:
        count = connection.recv_into(view[got:])
        if count == 0:
            return None
        got += count
    return bytes(buffer)

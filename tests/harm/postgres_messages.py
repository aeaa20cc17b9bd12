"""Messages of PostgreSQL's protocol, read and written one by one."""

import asyncio


def message_of(kind: bytes, body: bytes) -> bytes:
    """Give a message whole: kind, length, body."""
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def fatal(text: str) -> bytes:
    """Give an error as poolers tell all of theirs: protocol violation, and the end of the session."""
    return error_of("FATAL", "08P01", text)


def error_of(severity: str, state: str, text: str, file: str = "postgres.c") -> bytes:
    """Give an error, with the file of the server's source that raised it."""
    fields = {"S": severity, "V": severity, "C": state, "M": text, "F": file}
    return message_of(b"E", "".join(f"{name}{field}\0" for name, field in fields.items()).encode() + b"\0")


def one_number(name: str, number: int) -> bytes:
    """Give the whole answer to a simple query that has one row with one integer."""
    text = str(number).encode()
    column = name.encode() + b"\0" + bytes(6) + (23).to_bytes(4, "big") + b"\0\x04\xff\xff\xff\xff\0\0"
    return (
        message_of(b"T", b"\0\x01" + column)
        + message_of(b"D", b"\0\x01" + len(text).to_bytes(4, "big") + text)
        + message_of(b"C", b"SELECT 1\0")
        + message_of(b"Z", b"I")
    )


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """Read the next message with its kind and length."""
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


async def read_opening(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read a message of the opening, which has no kind: its code, and the rest."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    body = await reader.readexactly(length - 4)
    return int.from_bytes(body[:4], "big"), body[4:]

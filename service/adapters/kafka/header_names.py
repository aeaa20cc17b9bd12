"""Names of headers that are not UTF-8, on which the client library fails: made readable where they stand."""

from aiokafka.record.util import decode_varint


def with_readable_names(body: bytes, count: int) -> bytearray:
    """The records of an unpacked batch, with `?` for each byte above ASCII in a name that is not UTF-8."""
    records, at = bytearray(body), 0
    for _ in range(count):
        at = _correct_record(records, at)
    return records


def _correct_record(records: bytearray, at: int) -> int:
    """Correct one record's names in place; return where the next record begins."""
    length, at = decode_varint(records, at)
    end: int = at + length
    _, at = decode_varint(records, at + 1)  # attributes, timestamp
    _, at = decode_varint(records, at)  # offset
    at = _end_of_bytes(records, at)  # key
    at = _end_of_bytes(records, at)  # value
    headers, at = decode_varint(records, at)
    for _ in range(headers):
        length, at = decode_varint(records, at)
        records[at : at + length] = _readable(records[at : at + length])
        at = _end_of_bytes(records, at + length)
    return end


def _end_of_bytes(records: bytearray, at: int) -> int:
    length, at = decode_varint(records, at)
    return int(at + max(length, 0))


def _readable(name: bytearray) -> bytes:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("ascii", "replace").encode("ascii", "replace")
    return bytes(name)

"""The envelope of a record: CloudEvents 1.0, binary or structured, or none; and moments as RFC 3339."""

import base64
import binascii
import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.record import Record, Unreadable, UnreadableReason
from domain.request import read_coordinates
from domain.strict_json import DEEPEST, NotStrictJson, parse_object
from domain.wording import byte_count

_MOMENT: Final = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])-(?P<day>[0-9]{2})"
    r"[Tt](?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)(\.[0-9]+)?"
    r"([Zz]|(?P<sign>[+-])(?P<hours>[01][0-9]|2[0-3]):(?P<minutes>[0-5][0-9]))"
)
_LAST_MINUTE: Final = 24 * 60 - 1


def is_moment(text: str) -> bool:
    """True for a `date-time` of RFC 3339; a leap second ends a day in UTC."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return False
    year, month, day = (int(found[name]) for name in ("year", "month", "day"))
    is_leap = found["second"] == "60"
    return 1 <= day <= calendar.monthrange(year, month)[1] and (not is_leap or _in_utc(found) == _LAST_MINUTE)


def _in_utc(found: re.Match[str]) -> int:
    """The minute of the day."""
    here = _minutes(found["hour"], found["minute"])
    ahead = _minutes(found["hours"] or 0, found["minutes"] or 0)
    return (here + ahead if found["sign"] == "-" else here - ahead) % _minutes(24, 0)


def _minutes(hours: str | int, minutes: str | int) -> int:
    return int(hours) * 60 + int(minutes)


# A requeued record keeps the identity that its first coordinates gave it.
FIRST_COORDINATES: Final = "laurel-first-coordinates"
MOST_HEADERS: Final = 100
_LONGEST: Final = {"id": 256, "source": 512, "type": 256, "correlationid": 200, "causationid": 256}
_PREFIX: Final = "ce_"
_TIME: Final = "ce_time"
_CONTENT_TYPE: Final = "content-type"
_STRUCTURED: Final = "application/cloudevents"

Headers = Sequence[tuple[str, bytes | None]]


class EnvelopeRefused(ValueError):
    """Carries the Unreadable that the record comes to."""

    def __init__(self, reason: UnreadableReason, detail: str) -> None:
        super().__init__(detail)
        self.why = Unreadable(reason=reason, detail=detail)


@dataclass(frozen=True)
class Opened:
    """What an envelope held: the payload, and the CloudEvents attributes if there were any.

    `first_coordinates` is set on a record that was requeued.
    """

    payload: dict[str, object]
    attributes: Mapping[str, str]
    first_coordinates: str | None


def open_record(record: Record, *, wire_type: str, max_bytes: int, deepest: int = DEEPEST) -> Opened:
    """Take a record out of its envelope. Raises Refused."""
    if record.problem is not None:
        raise EnvelopeRefused(record.problem.reason, record.problem.detail)
    value = record.value or b""
    if len(value) > max_bytes:
        raise EnvelopeRefused(
            "too_large", f"it has {byte_count(len(value))}; at most {byte_count(max_bytes)} are read"
        )
    headers = _texts(record)
    try:
        content_type = headers.get(_CONTENT_TYPE, "").strip().lower()
        if content_type.startswith(_STRUCTURED):
            payload, attributes = _structured(content_type, value, deepest)
        else:
            payload, attributes = parse_object(value, deepest=deepest), _binary(headers)
            _check_times(record.headers if attributes else ())
    except NotStrictJson as error:
        raise EnvelopeRefused(error.reason, error.detail) from None
    if attributes:
        _check(attributes, wire_type)
    return Opened(payload, attributes, _first_coordinates(record))


def _texts(record: Record) -> dict[str, str]:
    """The headers that are read, as texts; what the others hold is nobody's business here.

    One that is null, not UTF-8, or there twice with different values makes the envelope unreadable.
    """
    if len(record.headers) > MOST_HEADERS:
        raise EnvelopeRefused("bad_envelope", f"{len(record.headers)} headers; {MOST_HEADERS} are allowed")
    texts: dict[str, str] = {}
    for given, value in record.headers:
        name = _CONTENT_TYPE if given.lower() == _CONTENT_TYPE else given  # as HTTP's habit spells it
        if name in _READ_HEADERS:
            text = _text(name, value)
            if texts.setdefault(name, text) != text:
                raise EnvelopeRefused("bad_envelope", f"header {name!r} occurs twice")
    return texts


def _text(name: str, value: bytes | None) -> str:
    if value is None:
        raise EnvelopeRefused("bad_envelope", f"header {name!r} is null")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise EnvelopeRefused("bad_envelope", f"header {name!r} is not UTF-8") from None


def _binary(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(_PREFIX): text for name, text in headers.items() if name.startswith(_PREFIX)}


def _structured(content_type: str, value: bytes, deepest: int) -> tuple[dict[str, object], dict[str, str]]:
    media_type = content_type.partition(";")[0].strip()
    if media_type != "application/cloudevents+json":
        raise EnvelopeRefused(
            "bad_envelope", f"content type {media_type[:100]!r}: one event as JSON is required"
        )
    event = parse_object(value, deepest=deepest)
    attributes = {name: text for name, text in event.items() if isinstance(text, str) and name in _READ}
    wrong = sorted(name for name in _READ if name in event and name not in attributes)
    if event.get("time") is not None:
        _check_time(event["time"])
    if wrong:
        raise EnvelopeRefused("bad_envelope", f"attribute {wrong[0]!r} is not a text")
    return _data(event, deepest), attributes | {"specversion": attributes.get("specversion", "")}


def _data(event: Mapping[str, object], deepest: int) -> dict[str, object]:
    if "data_base64" in event:
        return parse_object(_base64(event["data_base64"]), deepest=deepest)
    data = event.get("data")
    if not isinstance(data, dict):
        raise EnvelopeRefused("not_an_object", "the event's data is not a JSON object")
    return data


def _base64(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError):
        raise EnvelopeRefused("bad_envelope", "data_base64 is not base64") from None


def _check(attributes: Mapping[str, str], wire_type: str) -> None:
    if attributes.get("specversion") != "1.0":
        raise EnvelopeRefused(
            "bad_envelope", f"specversion is {attributes.get('specversion', '')[:20]!r}, not '1.0'"
        )
    for name, longest in _LONGEST.items():
        _check_text(name, attributes.get(name), longest)
    if attributes["type"] != wire_type:
        raise EnvelopeRefused("bad_envelope", f"type is {attributes['type'][:100]!r}, not {wire_type!r}")


def _check_text(name: str, text: str | None, longest: int) -> None:
    if text is None and name in {"correlationid", "causationid"}:
        return
    if not text:
        raise EnvelopeRefused("bad_envelope", f"attribute {name!r} is missing")
    if len(text) > longest or not text.isprintable():
        raise EnvelopeRefused(
            "bad_envelope", f"attribute {name!r} is not a printable text of at most {longest} characters"
        )
    if name == "source" and " " in text:
        raise EnvelopeRefused("bad_envelope", "attribute 'source' holds a space: it is not a URI reference")


def _check_times(headers: Headers) -> None:
    """The time of an event in binary mode; who sends no event may have a header of that name."""
    times = {value for name, value in headers if name == _TIME and value is not None}
    if len(times) > 1:
        raise EnvelopeRefused("bad_envelope", f"header {_TIME!r} occurs twice")
    for time in times:
        _check_time(time.decode("utf-8", "replace"))


def _check_time(time: object) -> None:
    if not isinstance(time, str) or not is_moment(time):
        raise EnvelopeRefused(
            "bad_envelope",
            f"attribute 'time' is {str(time)[:40]!r}, not a date-time of RFC 3339: 2026-01-31T06:00:00Z",
        )


def _first_coordinates(record: Record) -> str | None:
    """What a requeue wrote there; anything else under that name is not ours, and says nothing."""
    written = (value or b"" for name, value in record.headers if name == FIRST_COORDINATES)
    texts = (value.decode("utf-8", "replace") for value in written)
    return next((text for text in texts if read_coordinates(text)), None)


_READ: Final = frozenset({"specversion", *_LONGEST})
_READ_HEADERS: Final = frozenset({_CONTENT_TYPE, *(_PREFIX + name for name in _READ)})

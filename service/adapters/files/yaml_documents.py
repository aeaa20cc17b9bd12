"""YAML as a configuration language: safe, small, and with the line of every value.

Values are read as the user's other tools read them (YAML 1.1, as PyYAML does), so one file means one thing
to all of them. What that version of YAML makes of `NO`, `1e5` or `2020-01-01` is not corrected silently: the
reader of a field says what it expected, and `Document.hint` tells how the file put it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, cast

import yaml

from domain.faults import Fault
from domain.values import spelled_version
from domain.wording import byte_count

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 20

MAX_VALUES: Final = 50_000
# Octal (010) and base 60 (12:30): numbers that are not what they look like.
_ODD_NUMBER: Final = re.compile(r"[-+]?(0[0-7_]+|[\d_]+(:[\d_]+)+(\.[\d_]*)?)")
# Longer numbers are none that anybody means, and reading one in base 60 takes the square of its length.
_LONGEST_NUMBER: Final = 100
_LONGEST_SHOWN: Final = 60
_NUMBER_TAGS: Final = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Scalar:
    """Where a scalar stands: its text, its line (from 1) and its characters in the file, [start, end)."""

    text: str
    line: int
    start: int
    end: int
    quoted: bool


@dataclass
class YamlDocument:
    """A parsed document: plain values, the line of each place, and each scalar as it was written."""

    name: str
    text: str
    values: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    scalars: dict[Place, Scalar] = field(default_factory=dict)

    @cached_property
    def fields(self) -> Mapping[str, int]:
        """The line of each place by its dotted name; of two with one name, the first."""
        named: dict[str, int] = {}
        for place, line in self.lines.items():
            named.setdefault(".".join(map(str, place)), line)
        return named

    def line_of(self, place: Place) -> int:
        """The line of a place, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def version_at(self, place: Place, value: Any) -> int | None:
        """The version that stands at a place; YAML's other spellings of an integer (1_0, 0x10) are none."""
        scalar = self.scalars.get(place)
        if scalar is None or scalar.quoted or isinstance(value, bool) or not isinstance(value, int):
            return None
        return spelled_version(scalar.text)

    def hint(self, place: Place) -> str:
        """How a value is written, when YAML reads it as something else than it looks like."""
        scalar = self.scalars.get(place)
        if scalar is None or scalar.quoted:
            return ""
        value = _construct(scalar)
        if isinstance(value, bool) and scalar.text.lower() not in {"true", "false"}:
            return f"; YAML reads a bare {scalar.text} as {value}: quote it if it is text"
        shown = _shown(scalar.text)
        if isinstance(value, str) and _looks_like_a_number(scalar.text):
            return f"; YAML reads {shown} as text: write it with a dot and a sign (1.0e+5), or in full"
        if not isinstance(value, str | int | float | None):
            return f"; YAML reads {shown} as a date: quote it if it is text"
        return f"; the file says {shown}" if scalar.text else "; the file has nothing there"


class BadYaml(Exception):
    """A document that is not taken, with the line on which it goes wrong."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def read_document(name: str, data: bytes) -> YamlDocument | Fault:
    """Parse one document whose top is a map; or say what is wrong, and where.

    Refused: more than 1 MiB, not UTF-8, not YAML, several documents, aliases (a few hundred bytes of them
    unfold to gigabytes), tags, duplicate keys (of which the last would win), keys that are no text, nesting
    deeper than 20, more than 50,000 values, numbers of more than 100 characters. `name` is how faults call
    the file.
    """
    try:
        document = YamlDocument(name, _decode(data))
        _Reader(document).read()
    except BadYaml as error:
        return Fault(code="bad_config", field="", message=error.message, file=name, line=error.line)
    return document


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise BadYaml(f"the file has {byte_count(len(data))}; at most {byte_count(MAX_BYTES)} are read", 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadYaml("the file is not UTF-8", data[: error.start].count(b"\n") + 1) from None


class _Reader:
    """Builds values from parser events, so that nothing is unfolded before it is refused."""

    def __init__(self, document: YamlDocument) -> None:
        self._document = document
        self._values = 0
        self._events = yaml.parse(document.text, Loader=yaml.CSafeLoader)

    def read(self) -> None:
        event = self._next()
        while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            raise BadYaml("the file is empty", 1)
        self._document.values = self._value(event, ())
        if not isinstance(self._document.values, dict):
            raise BadYaml("the file is not a map of names to values", _line(event))
        self._expect_the_end()

    def _expect_the_end(self) -> None:
        event = self._next()
        if isinstance(event, yaml.DocumentEndEvent):
            event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise BadYaml("the file holds more than one document", _line(event))

    def _next(self) -> yaml.Event:
        try:
            return next(self._events)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise BadYaml(f"the file is not YAML: {error.problem or error.context}", line) from None
        except yaml.YAMLError:
            raise BadYaml("the file holds characters that YAML does not allow", 1) from None

    def _value(self, event: yaml.Event, place: Place) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise BadYaml(f"the file holds more than {MAX_VALUES} values", _line(event))
        if isinstance(event, yaml.AliasEvent):
            anchor = _shown(str(event.anchor))
            raise BadYaml(f"aliases are not allowed: write out what *{anchor} stands for", _line(event))
        if len(place) > MAX_DEPTH:
            raise BadYaml(f"nested deeper than {MAX_DEPTH}", _line(event))
        self._document.lines.setdefault(place, _line(event))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        _refuse_tag(event)
        return self._sequence(place) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(place)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> Any:
        _refuse_tag(event)
        scalar = Scalar(
            text=event.value,
            line=_line(event),
            start=_mark(event.start_mark).index,
            end=_mark(event.end_mark).index,
            quoted=bool(event.style),
        )
        self._document.scalars[place] = scalar
        _refuse_number(scalar)
        return _construct(scalar)

    def _sequence(self, place: Place) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            values.append(self._value(event, (*place, len(values))))
        return values

    def _mapping(self, place: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, values)
            self._document.lines[(*place, key)] = _line(event)
            values[key] = self._value(self._next(), (*place, key))
        return values

    def _key(self, event: yaml.Event, seen: Mapping[str, Any]) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise BadYaml("a key must be a plain name", _line(event))
        _refuse_tag(event)
        scalar = Scalar(event.value, _line(event), 0, 0, quoted=bool(event.style))
        if _tag(scalar) in _NUMBER_TAGS or not isinstance(_construct(scalar), str):
            raise BadYaml(f"the key {_shown(event.value)} is not read as text: quote it", _line(event))
        if event.value in seen:
            raise BadYaml(f"the key {_shown(event.value)} occurs twice", _line(event))
        return str(event.value)


def _refuse_tag(event: Any) -> None:
    if event.tag is not None:
        raise BadYaml(f"tags are not allowed: {_shown(event.tag)}", _line(event))


def _refuse_number(scalar: Scalar) -> None:
    """Numbers that are not what they look like, or that nobody can have meant; none of them is computed."""
    if scalar.quoted or _tag(scalar) not in _NUMBER_TAGS:
        return
    if len(scalar.text) > _LONGEST_NUMBER:
        raise BadYaml(
            f"{_shown(scalar.text)} is a number of {len(scalar.text)} characters, "
            f"{_LONGEST_NUMBER} are read: quote it if it is text",
            scalar.line,
        )
    if _ODD_NUMBER.fullmatch(scalar.text) and not isinstance(value := _construct(scalar), str):
        read = _shown(str(value))
        raise BadYaml(f"YAML reads {_shown(scalar.text)} as {read}: quote it, or write {read}", scalar.line)


def _shown(text: str) -> str:
    """A text of the file, short and on one line."""
    head = "".join(sign if sign.isprintable() else " " for sign in text[:_LONGEST_SHOWN])
    return head if len(text) <= _LONGEST_SHOWN else f"{head}…"


def _line(event: yaml.Event) -> int:
    return _mark(event.start_mark).line + 1


def _mark(mark: Any) -> yaml.Mark:
    """Every event of a parser has marks; only those made by hand have none."""
    return cast("yaml.Mark", mark)


_RESOLVER: Final[Any] = yaml.resolver.Resolver()
_CONSTRUCTOR: Final = yaml.constructor.SafeConstructor()


def _construct(scalar: Scalar) -> Any:
    """Read a scalar as PyYAML's safe loader does; what it cannot read stays text."""
    if scalar.quoted:
        return scalar.text
    node = yaml.ScalarNode(_tag(scalar), scalar.text)
    try:
        return _CONSTRUCTOR.construct_object(node)
    except (ValueError, yaml.YAMLError):  # a date such as 2020-13-40
        return scalar.text


def _tag(scalar: Scalar) -> str:
    return str(_RESOLVER.resolve(yaml.ScalarNode, scalar.text, (not scalar.quoted, scalar.quoted)))


def _looks_like_a_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

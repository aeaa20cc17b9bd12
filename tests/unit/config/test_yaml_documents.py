"""YAML is read as the user's other tools read it, or refused with the line."""

import pytest

from domain.faults import Fault
from service.adapters.files.yaml_documents import MAX_BYTES, YamlDocument, read_document


def read(text: str | bytes) -> YamlDocument:
    found = read_document("file.yaml", text if isinstance(text, bytes) else text.encode())
    assert isinstance(found, YamlDocument), found
    return found


def refused(text: str | bytes) -> tuple[int | None, str]:
    found = read_document("file.yaml", text if isinstance(text, bytes) else text.encode())
    assert isinstance(found, Fault), found
    assert (found.code, found.file) == ("bad_config", "file.yaml")
    return found.line, found.message


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n"


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("- 1\n- 2\n", 1, "not a map"),
        ("just text\n", 1, "not a map"),
        ("a: 1\nb: 2\na: 3\n", 3, "the key a occurs twice"),
        ("a:\n  x: 1\n  x: 1\n", 3, "the key x occurs twice"),
        (BOMB, 2, "aliases are not allowed"),
        ("a: 1\n<<: *b\n", 2, "aliases are not allowed"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "tags are not allowed"),
        ("a: !!str 1\n", 1, "tags are not allowed"),
        ("!x a: 1\n", 1, "tags are not allowed"),
        ("a: 1\n---\nb: 2\n", 2, "more than one document"),
        ("a: 1\n: [\n", 2, "not YAML"),
        ("a: [1, 2\n", 2, "not YAML"),
        ("a: 'x\n", 2, "not YAML"),
        ("\tb: 1\n", 1, "not YAML"),
        ("a: \x07\n", 1, "characters"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        ("a: 1\n1: 2\n", 2, "the key 1 is not read as text"),
        ("yes: 2\n", 1, "the key yes is not read as text"),
        ("? [a]\n: 2\n", 1, "a key must be a plain name"),
        ("a: 1\nb: 010\n", 2, "YAML reads 010 as 8"),
        ("b: 12:30\n", 1, "YAML reads 12:30 as 750"),
        ("b: " + "1:" * 60_000 + "1.5\n", 1, "a number of 120003 characters"),
        ("b: " + "1:" * 60_000 + "1\n", 1, "a number of 120001 characters"),
        ("b: 0" + "7" * 120_000 + "\n", 1, "a number of 120001 characters"),
        ("b: 0x" + "f" * 120_000 + "\n", 1, "a number of 120002 characters"),
        ("a: 1\nb: " + "9" * 5000 + "\n", 2, "a number of 5000 characters"),
        ("? " + "1:" * 60_000 + "1\n: 2\n", 1, "is not read as text"),
        ("a: [" + "1," * 50_000 + "]\n", 1, "more than 50000 values"),
        ("[" * 3000, 1, "nested deeper"),
        ("a: " + "{a: " * 30 + "1" + "}" * 30, 1, "nested deeper"),
        ("a: " + "x" * MAX_BYTES, 1, "1048579 bytes (1.0 MiB); at most 1048576 bytes (1 MiB) are read"),
    ],
)
def test_what_is_not_taken_is_refused_with_its_line(text: str | bytes, line: int, part: str) -> None:
    """Small, plain, and one meaning."""
    found_line, message = refused(text)
    assert part in message
    assert len(message) < 300
    assert found_line == line


def test_every_place_has_the_line_of_its_name() -> None:
    """For maps, lists and what is in them."""
    document = read("a: 1\nb:\n  c:\n    - x\n    - {d: 2,\n       e: 3}\n")
    places = [
        ("a",),
        ("b",),
        ("b", "c"),
        ("b", "c", 0),
        ("b", "c", 1, "d"),
        ("b", "c", 1, "e"),
        ("b", "none"),
    ]
    assert [document.line_of(place) for place in places] == [1, 2, 3, 4, 5, 6, 2]


@pytest.mark.parametrize(
    ("text", "value", "hint"),
    [
        ("NO", False, "YAML reads a bare NO as False: quote it if it is text"),
        ("on", True, "YAML reads a bare on as True: quote it if it is text"),
        ("true", True, "the file says true"),
        ("1e5", "1e5", "YAML reads 1e5 as text"),
        ("2020-01-01", None, "YAML reads 2020-01-01 as a date"),
        ("abc", "abc", "the file says abc"),
        ("", None, "the file has nothing there"),
        ("'NO'", "NO", ""),
    ],
)
def test_a_value_that_is_not_what_it_looks_like_has_a_hint(text: str, value: object, hint: str) -> None:
    """Whoever expected something else says so, and how the file put it."""
    document = read(f"a: {text}\n")
    assert value is None or document.values["a"] == value
    assert hint in document.hint(("a",))
    assert bool(document.hint(("a",))) == bool(hint)


def test_a_byte_order_mark_and_windows_line_ends_are_taken() -> None:
    """Editors leave them."""
    document = read(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert document.values == {"a": 1, "b": 2}
    assert document.line_of(("b",)) == 2

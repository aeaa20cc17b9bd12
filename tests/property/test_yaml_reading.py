"""Whatever the bytes: read as PyYAML reads them, or refused with a line."""

import random
import re

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.faults import Fault
from service.adapters.files.yaml_documents import read_document

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), st.dates()
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@example(content={"a" * 75: {"b": "0 0"}}, flow=True)  # a plain text that goes on in the next line
@given(content=st.dictionaries(st.text(max_size=6), values, max_size=5), flow=st.booleans())
def test_what_pyyaml_writes_is_read_as_pyyaml_reads_it(content: dict[str, object], *, flow: bool) -> None:
    """Any document that it dumps, in either style, with every scalar found where it stands."""
    text = yaml.safe_dump(content, allow_unicode=True, default_flow_style=flow)
    found = read_document("file.yaml", text.encode())
    if isinstance(found, Fault):  # PyYAML writes anchors for a list that it meets twice
        assert "aliases" in found.message
        return
    assert found.values == yaml.safe_load(text)
    for scalar in found.scalars.values():
        written = re.sub(r"\n +", " ", text[scalar.start : scalar.end])  # a long plain text goes on there
        assert scalar.quoted or written.strip() == scalar.text.strip()


@settings(max_examples=settings().max_examples * 2)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Never an error of the parser's own, and never a line outside of the file."""
    found = read_document("file.yaml", data)
    if isinstance(found, Fault):
        assert found.line is not None
        assert 1 <= found.line <= data.count(b"\n") + data.count(b"\r") + 70


@settings(max_examples=settings().max_examples * 3)
@example(text="1:" * 49 + "1", as_key=False)
@example(text="0\t", as_key=False)  # which PyYAML's slow parser alone refuses
@given(
    text=st.one_of(
        st.text("0123456789_:.-+eExXoObBfFinaT \t", max_size=40),
        st.tuples(st.sampled_from(["1:", "0", "0x", "9", "1_", "+.", "1e"]), st.integers(2, 5000)).map(
            lambda made: made[0] + made[0][-2:] * made[1] + "1"
        ),
    ),
    as_key=st.booleans(),
)
def test_whatever_looks_like_a_number_is_read_as_pyyaml_reads_it_or_refused(
    text: str, *, as_key: bool
) -> None:
    """In a time that grows with its length, so that long ones are among the examples."""
    written = f"? {text}\n: 1\n" if as_key else f"a: {text}\n"
    found = read_document("file.yaml", written.encode())
    if isinstance(found, Fault):
        assert len(found.message) < 300
    elif not as_key and isinstance(found.values["a"], int | float) and len(text) < 50:
        assert repr(found.values) == repr(yaml.load(written, yaml.CSafeLoader))


def test_hostile_documents_are_refused_quickly() -> None:
    """A generator of brackets, anchors and colons finds no crash."""
    dice = random.Random(5)
    for _ in range(300):
        text = "".join(dice.choice("{}[]:,&*!-? \n\t'\"#|>%@ab1") for _ in range(dice.randint(1, 80)))
        read_document("file.yaml", text.encode())

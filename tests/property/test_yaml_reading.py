"""Whatever the bytes: read as PyYAML reads them, or refused with a line."""

import random

import yaml
from hypothesis import given, settings
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
        assert scalar.quoted or text[scalar.start : scalar.end].strip() == scalar.text.strip()


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Never an error of the parser's own, and never a line outside of the file."""
    found = read_document("file.yaml", data)
    if isinstance(found, Fault):
        assert found.line is not None
        assert 1 <= found.line <= data.count(b"\n") + data.count(b"\r") + 70


def test_hostile_documents_are_refused_quickly() -> None:
    """A generator of brackets, anchors and colons finds no crash."""
    dice = random.Random(5)
    for _ in range(300):
        text = "".join(dice.choice("{}[]:,&*!-? \n\t'\"#|>%@ab1") for _ in range(dice.randint(1, 80)))
        read_document("file.yaml", text.encode())

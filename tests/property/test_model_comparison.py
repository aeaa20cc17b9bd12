"""Two documents differ exactly in the places that are named."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.model_comparison import differences

names = st.sampled_from("abc")
documents = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
trees = st.dictionaries(names, documents, max_size=3)


def patched(document: Any, place: str, value: object) -> Any:
    """The document with another value in a place; None takes it away."""
    if not place:
        return value
    name, _, rest = place.partition(".")
    known = dict(document) if isinstance(document, dict) else {}
    if value is None and not rest:
        known.pop(name, None)
        return known
    return known | {name: patched(known.get(name), rest, value)}


@given(trees)
def test_a_document_does_not_differ_from_itself(document: dict[str, Any]) -> None:
    assert list(differences(document, document)) == []


@given(trees, trees)
def test_sides_may_change_places(a: dict[str, Any], b: dict[str, Any]) -> None:
    forth = [(one.place, one.a, one.b) for one in differences(a, b)]
    back = [(one.place, one.b, one.a) for one in differences(b, a)]
    assert forth == back


@given(trees, trees)
def test_with_the_named_places_changed_one_document_is_the_other(
    a: dict[str, Any], b: dict[str, Any]
) -> None:
    changed: Any = a
    for one in differences(a, b):
        changed = patched(changed, one.place, one.b)
    assert without_nothing(changed) == without_nothing(b)


def without_nothing(document: Any) -> Any:
    """A place that holds nothing counts as one that is not there, and so does what holds only such."""
    if not isinstance(document, dict):
        return document
    kept = {name: without_nothing(value) for name, value in document.items()}
    return {name: value for name, value in kept.items() if value not in (None, {})}

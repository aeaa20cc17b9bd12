"""Whatever an event says, people are told it in a bounded plain text that commands nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import Event, InferenceReloaded, TrainingFailed
from domain.faults import Fault
from domain.ledger import Cause
from domain.notice_fields import FIELDS, SUBJECTS, Subject, fields_of, subject_of
from domain.notices import LONGEST_BODY, LONGEST_TITLE, NoticeTemplate, Wording
from domain.plain_text import plain
from domain.score import Score
from domain.verdict import Check, Decision
from domain.version_triple import VersionTriple
from handlers.notice import TOLD

_MARKUP = ("<", ">", "@", "`", "*", "|", "://", "](", "~~", "__", "www.")
# What would do harm, more often than by chance.
_HARMFUL = ("<!channel>", "@everyone", "[a](http://b)", "`x`", "\x1b[31m", "\u202ereversed", "$model ${step}")


@st.composite
def _texts(draw: st.DrawFn) -> str:
    """Anything but half a surrogate pair, which no event can hold; named, so that reprs stay short."""
    return draw(st.text(max_size=60) | st.sampled_from(_HARMFUL) | st.just("long " * 2000))


texts = _texts()
words = st.none() | texts
wholes = st.integers(min_value=1, max_value=2**62)
maybe_wholes = st.none() | wholes
numbers = st.floats(allow_nan=False, allow_infinity=False)
digests = st.just("0" * 64)
scores = st.builds(
    Score, metrics=st.dictionaries(texts, numbers, max_size=8), dataset_digest=digests, rows=wholes
)
triples = st.builds(VersionTriple, **dict.fromkeys(VersionTriple.model_fields, st.integers(1, 10**6)))
reasons = st.lists(texts, min_size=1, max_size=9).map(tuple)
checks = st.builds(Check, name=texts, passed=st.booleans(), detail=texts)
faults = st.builds(Fault, code=texts, field=texts, message=texts, allowed=words)

# How to make each field that is not a plain text.
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("mlflow_run_id", "run_id", "address"), texts),
    **dict.fromkeys(("version", "generation"), wholes),
    **dict.fromkeys(("previous_version", "previous_generation"), maybe_wholes),
    **dict.fromkeys(("champion_version", "champion_generation", "champion_trained_rows"), maybe_wholes),
    **dict.fromkeys(("served_version", "served_generation", "confirmed_generation"), maybe_wholes),
    **dict.fromkeys(("candidate", "champion"), scores),
    "versions": triples,
    "cause": st.sampled_from(Cause),
    "decision": st.sampled_from(Decision),
    "reasons": reasons,
    "checks": st.lists(checks, max_size=9).map(tuple),
    "faults": st.lists(faults, min_size=1, max_size=9).map(tuple),
    "request": st.dictionaries(texts, texts | numbers | st.lists(texts, max_size=3), max_size=5),
    "facts": st.just({}),
    "attempts": wholes,
    **dict.fromkeys(("reference_digest", "model_digest", "entry_hash"), digests),
    "seconds_since_promotion": st.none() | st.floats(0, allow_infinity=False),
}


def of_kind(event: type[Event]) -> st.SearchStrategy[Event]:
    return st.builds(event, **{name: _KINDS.get(name, texts) for name in event.model_fields})


told_events = st.one_of([of_kind(kind) for kind in TOLD.values()])


@given(event=told_events)
def test_every_event_makes_a_bounded_plain_message(event: Event) -> None:
    notice = Wording().notice(event, "an id")

    assert notice is not None
    assert 0 < len(notice.title) <= LONGEST_TITLE
    assert 0 < len(notice.body) <= LONGEST_BODY
    assert notice.title.isprintable()
    assert notice.body.replace("\n", "").isprintable()
    assert not [mark for mark in _MARKUP if mark in notice.title + notice.body.lower()]


@given(event=told_events)
def test_every_field_that_a_template_may_name_is_there_and_no_other(event: Event) -> None:
    subject = subject_of(event)
    assert subject is not None
    assert fields_of(event).keys() == FIELDS[subject]


@given(text=texts, longest=st.integers(1, 80))
def test_plain_text_is_one_bounded_printable_line_and_stays_as_it_is(text: str, longest: int) -> None:
    once = plain(text, longest)
    assert len(once) <= longest
    assert once.isprintable()
    assert plain(once, longest) == once


@given(event=of_kind(TrainingFailed))
def test_what_an_event_says_is_never_taken_for_a_placeholder(event: Event) -> None:
    template = NoticeTemplate.read("failed", "$model\n${message} costs $$5")
    fields = fields_of(event) | {"message": "$model ${step} $5"}
    assert template.filled(fields)[1] == "$model ${step} $5 costs $5"


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("  \n\n", "is empty"),
        ("all is $well", "names $well"),
        ("fine\n$model and ${Model}", "names $Model"),
        ("it costs 5 $", "write $$"),
        ("$model.__class__ is fine\n${model.__class__}", "write $$"),
        ("{model}\n$model$", "write $$"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused_with_what_is_allowed(
    subject: Subject, text: str, why: str
) -> None:
    with pytest.raises(ValueError, match=r"allowed|first line") as refused:
        NoticeTemplate.read(subject, text)
    assert why in str(refused.value)


def test_nobody_is_told_of_a_reload_that_went_well() -> None:
    event = InferenceReloaded(
        model_name="price",
        replica="r",
        url="u",
        address=None,
        generation=1,
        version=1,
        seconds_since_promotion=1.0,
        listener="l",
        confirmed_generation=1,
        mlflow_run_id=None,
    )
    assert Wording().notice(event, "an id") is None

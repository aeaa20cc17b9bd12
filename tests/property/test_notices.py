"""Whatever an event says, people are told it in a bounded plain text that commands nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import Event, InferenceReloaded, TrainingFailed
from domain.faults import Fault
from domain.ledger import Cause
from domain.metrics import Score
from domain.notice_fields import fields_of, subject_of
from domain.notice_subjects import FIELDS, SUBJECTS, Subject
from domain.notices import (
    LONGEST_BODY,
    LONGEST_TITLE,
    Forms,
    Notice,
    NoticeTemplate,
    Wording,
    fitted,
    short_form,
)
from domain.promotion_checks import Check, Decision
from domain.values import VersionTriple
from domain.wording import bounded_bytes, plain
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
    **dict.fromkeys(("version", "generation", "by_generation"), wholes),
    "proven": st.booleans(),
    **dict.fromkeys(("previous_version", "previous_generation", "returns_to"), maybe_wholes),
    **dict.fromkeys(("champion_version", "champion_generation", "champion_trained_rows"), maybe_wholes),
    **dict.fromkeys(("served_version", "served_generation", "confirmed_generation"), maybe_wholes),
    **dict.fromkeys(("candidate", "champion"), scores),
    **dict.fromkeys(("versions", "triple"), triples),
    "cause": st.sampled_from(Cause),
    "decision": st.sampled_from(Decision),
    "reasons": reasons,
    "checks": st.lists(checks, max_size=9).map(tuple),
    "faults": st.lists(faults, min_size=1, max_size=9).map(tuple),
    "request": st.dictionaries(texts, texts | numbers | st.lists(texts, max_size=3), max_size=5),
    "facts": st.just({}),
    **dict.fromkeys(("attempts", "loss"), wholes),
    **dict.fromkeys(("reference_digest", "model_digest", "entry_hash", "train_digest"), digests),
    "seconds_since_promotion": st.none() | st.floats(0, allow_infinity=False),
}


def of_kind(event: type[Event]) -> st.SearchStrategy[Event]:
    return st.builds(event, **{name: _KINDS.get(name, texts) for name in event.model_fields})


told_events = st.one_of([of_kind(kind) for kind in TOLD.values()])


@given(event=told_events)
def test_every_event_makes_a_bounded_plain_message(event: Event) -> None:
    notice = Wording().notice(event, "an id")

    assert notice is not None
    assert 0 < len(notice.title.encode()) <= LONGEST_TITLE
    assert 0 < len(notice.body.encode()) <= LONGEST_BODY
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


@given(text=st.text(max_size=200), most=st.integers(0, 400))
def test_a_text_that_is_bounded_in_bytes_is_whole_or_its_beginning(text: str, most: int) -> None:
    cut = bounded_bytes(text, most)
    assert len(cut.encode()) <= most
    assert text.startswith(cut.removesuffix("…"))
    if len(text.encode()) <= most:
        assert cut == text
    else:
        assert len(cut.encode()) > most - 4 or not cut, "no more than one character is left out in vain"


# Letters of one byte to four, and a title or a body in the place of both.
messages = st.builds(
    Notice,
    event_id=st.just("an id"),
    subject=st.just("failed"),
    severity=st.just("failure"),
    title=st.text("aé字🙂", min_size=1, max_size=150),
    body=st.text("aé字🙂\n", min_size=64, max_size=1900),
    whole_at=st.just("laurel show 85a27d19"),
)


limits = st.tuples(st.sampled_from([0, 150]), st.integers(160, 2000))


@given(notice=messages, title_bytes=st.sampled_from([0, 60, 150]), body_bytes=st.integers(100, 2000))
def test_a_channel_is_sent_no_more_bytes_than_it_takes(
    notice: Notice, title_bytes: int, body_bytes: int
) -> None:
    """One that knows no titles gets both in the body, with a line break between them."""
    for form in (notice, short_form(notice)):
        told = fitted(form, title_bytes, body_bytes)
        title, body = len(told.title.encode()), len(told.body.encode())
        if title_bytes:
            assert (title <= title_bytes, body <= body_bytes) == (True, True)
        else:
            assert title + len("\r\n") + body <= body_bytes


@given(notice=messages, tries=st.integers(1, 8), limits=limits)
def test_what_was_refused_is_not_sent_again_as_it_was_and_the_last_form_is_short(
    notice: Notice, tries: int, limits: tuple[int, int]
) -> None:
    forms = Forms(notice, tries)
    sent = [forms.first]
    while (form := forms.after(len(sent), refused=True)) is not None:
        sent.append(form)
    assert len(sent) == max(tries, 2)
    told = [fitted(form, *limits) for form in sent]
    assert len({(one.title, one.body) for one in told}) == len(told)
    assert told[-1].body == "laurel show 85a27d19"


@given(notice=messages, tries=st.integers(2, 8))
def test_what_nobody_answered_is_sent_again_whole_until_the_last_try(notice: Notice, tries: int) -> None:
    forms = Forms(notice, tries)
    sent = [forms.after(number, refused=False) for number in range(1, tries + 1)]
    assert sent == [*[notice] * (tries - 2), short_form(notice), None]


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

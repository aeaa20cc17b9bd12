"""The notification of an event: title and body in plain text, from a template of named fields, and its forms.

Channels count bytes, and some refuse what is longer than they say. So what was refused is not sent again as
it was, but ever shorter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Final, Literal, Self

from domain.events import Event, ModelDeclined
from domain.notice_fields import fields_of, subject_of
from domain.notice_subjects import FIELDS, Subject
from domain.streaks import TOLD_AT, Kind
from domain.values import Value
from domain.wording import bounded_bytes, plain

# Bytes, since many channels count those: one message of every chat that has a limit worth naming.
LONGEST_TITLE: Final = 150
LONGEST_BODY: Final = 1900
_WHOLE_AT: Final = 60  # bytes of a command that shows all about it

Severity = Literal["info", "success", "warning", "failure"]
SEVERITIES: Final[Mapping[Subject, Severity]] = {
    "promoted": "success",
    "overridden": "warning",
    "declined": "info",
    "rejected": "warning",
    "failed": "failure",
    "diverged": "failure",
    "missing": "failure",
    "held": "warning",
    "released": "info",
    "quarantined": "warning",
    "quarantine_lifted": "info",
}


class Notice(Value):
    """One message; `event_id` tells it from every other, and is the same whenever the event comes again.

    `whole_at` is the command that tells all about it, for a form that cannot. `share` is how much of the body
    is to be sent, where a channel has refused more.
    """

    event_id: str
    subject: str
    severity: Severity
    title: str
    body: str
    whole_at: str = "laurel status"
    share: float = 1.0


@dataclass(frozen=True)
class NoticeTemplate:
    """Wording with `$field` in the place of what an event says; nothing in it is run."""

    title: Template
    body: Template

    @classmethod
    def read(cls, subject: Subject, text: str) -> Self:
        """Take the first line as the title, the rest as the body.

        Raises ValueError, with what is allowed, for a placeholder that the subject does not have.
        """
        title, _, body = text.strip().partition("\n")
        if not title:
            raise ValueError("is empty: the first line is the title, the rest the body")
        template = cls(Template(title), Template(body.strip()))
        for part in (template.title, template.body):
            _refuse_unknown(part, subject)
        return template

    def filled(self, fields: Mapping[str, str]) -> tuple[str, str]:
        """Title and body, both bounded in bytes; a field's own `$` stays what it is."""
        title = " ".join(self.title.substitute(fields).split())
        body = self.body.substitute(fields)
        return bounded_bytes(title, LONGEST_TITLE), bounded_bytes(body, LONGEST_BODY)


def _refuse_unknown(template: Template, subject: Subject) -> None:
    allowed = ", ".join(f"${name}" for name in sorted(FIELDS[subject]))
    if not template.is_valid():
        raise ValueError(f"holds a $ without a placeholder: write $$ for a dollar sign; allowed: {allowed}")
    unknown = sorted(set(template.get_identifiers()) - FIELDS[subject])
    if unknown:
        raise ValueError(f"names ${unknown[0]}, which {subject!r} does not have; allowed: {allowed}")


_TEXTS: Final[Mapping[Subject, str]] = {
    "promoted": """\
$model: version $version is champion (generation $generation)
$reasons
Scores: $scores
Before: $previous
Trained from: $versions
Decided by: $cause; recorded by $actor, $promoted_at
Run: $run_id
""",
    "overridden": """\
$model: version $version was made champion by hand (generation $generation)
$reasons
Before: $previous
Recorded by $actor, $promoted_at; of a move of the alias the registry does not say who did it.
A person's decision stands. To go back: laurel rollback --reason TEXT
""",
    "declined": """\
$model: the candidate was not promoted ($decision)
$reasons
Scores: $scores
Champion stays: $champion
Trained from: $versions
Details: laurel show $run_id
""",
    "rejected": """\
$model: a training request was rejected ($reason)
$faults
Requested: $asked
Fix these faults, and request it again. Run: $run_id
""",
    "failed": """\
$model: the step $step failed ($reason)
$message
Attempts: $attempts, last state: $state
Trained from: $versions
The runbook says what to do about the code. Details: laurel show $run_id
""",
    "diverged": """\
$model: $replica does not serve version $version (generation $generation)
It serves: $served
Why: $detail ($reason)
Seconds since the promotion: $seconds. All servers: laurel status
""",
    "missing": """\
$model: version $version, the champion, is gone from the registry (generation $generation)
$message
Noticed: $noticed_at. Its run in MLflow: $mlflow_run_id
What fits, and what does not: laurel doctor
""",
    "held": """\
$model: promotions are held, until $until
$reason
By $actor, $held_at
Candidates are trained and judged; none becomes champion. To end it: laurel release
""",
    "released": """\
$model: promotions are released
$reason
By $actor, $released_at
They were held since $held_at by $held_by: $held_because
What was declined meanwhile stays declined: request it again.
""",
    "quarantined": """\
$model: version $version (generation $generation) is quarantined
$reason
By $actor, with generation $by_generation
Trained from: $versions
The gate promotes neither this model nor its recipe. To allow it again: laurel quarantine lift $generation
""",
    "quarantine_lifted": """\
$model: the quarantine of version $version (generation $generation) is lifted
$reason
By $actor
Trained from: $versions
The gate may promote this model and its recipe again.
""",
}
TEMPLATES: Final[Mapping[Subject, NoticeTemplate]] = {
    subject: NoticeTemplate.read(subject, text) for subject, text in _TEXTS.items()
}


class Wording:
    """The templates in force: one's own where there are some, else those above."""

    def __init__(self, own: Mapping[Subject, NoticeTemplate] | None = None) -> None:
        self._templates = {**TEMPLATES, **(own or {})}

    def notice(self, event: Event, event_id: str) -> Notice | None:
        """The message about an event; None for an event without notification."""
        subject = subject_of(event)
        if subject is None:
            return None
        title, body = self._templates[subject].filled(fields_of(event))
        return Notice(
            event_id=event_id,
            subject=subject,
            severity=SEVERITIES[subject],
            title=title,
            body=body,
            whole_at=_whole_at(event),
        )


def _whole_at(event: Event) -> str:
    run_id = getattr(event, "run_id", None)
    return bounded_bytes(f"laurel show {plain(run_id, 8)}", _WHOLE_AT) if run_id else "laurel status"


_REPEATED: Final[Mapping[Kind, NoticeTemplate]] = {
    kind: NoticeTemplate.read("declined", text)
    for kind, text in {
        Kind.INCONCLUSIVE: f"""\
$model: {TOLD_AT[Kind.INCONCLUSIVE]} verdicts in a row were INCONCLUSIVE
The gate cannot judge, so no model can become champion until somebody acts.
$reasons
Champion stays: $champion
The last one: laurel show $run_id
""",
        Kind.BELOW_MINIMUM: f"""\
$model: {TOLD_AT[Kind.BELOW_MINIMUM]} candidates in a row were better, each by less than the minimum effect
$reasons
Champion stays: $champion
Each was declined. If such gains matter, lower GATE__MINIMUM_EFFECT. The last one: laurel show $run_id
""",
    }.items()
}


def repeated_notice(event: ModelDeclined, event_id: str, kind: Kind) -> Notice:
    """The message about a decline that is one of many; it also says that about itself."""
    title, body = _REPEATED[kind].filled(fields_of(event))
    return Notice(
        event_id=f"{event_id}:repeated",
        subject="repeated",
        severity="warning",
        title=title,
        body=body,
        whole_at=_whole_at(event),
    )


def trial_notice(model_name: str) -> Notice:
    """Say by it that a channel works."""
    return Notice(
        event_id="trial",
        subject="trial",
        severity="info",
        title=bounded_bytes(f"{model_name}: Laurel notifications work in this channel", LONGEST_TITLE),
        body="A test of the notifier's channels. Nothing has happened.",
    )


_SHORT_TITLE: Final = 100
_BETWEEN: Final = 2  # bytes that a channel puts between a title and a body, where it knows no titles


def fitted(notice: Notice, title_bytes: int, body_bytes: int) -> Notice:
    """Cut what is longer; a channel with `title_bytes` 0 puts the title at the head of the body."""
    if title_bytes > 0:
        title, left = bounded_bytes(notice.title, title_bytes), body_bytes
    else:
        title = bounded_bytes(notice.title, max(body_bytes // 2 - _BETWEEN, 0))
        left = body_bytes - len(title.encode()) - _BETWEEN
    body = bounded_bytes(notice.body, max(left, 0))
    if notice.share < 1:
        body = bounded_bytes(body, int(len(body.encode()) * notice.share))
    return notice.model_copy(update={"title": title, "body": body, "share": 1.0})


def short_form(notice: Notice) -> Notice:
    """What happened, and where to read the rest."""
    title = bounded_bytes(notice.title, _SHORT_TITLE)
    return notice.model_copy(update={"title": title, "body": notice.whole_at})


class Forms:
    """Which form a channel is sent next, for a number of tries."""

    def __init__(self, notice: Notice, tries: int) -> None:
        self._notice = notice
        self._tries = tries
        self._refused = 0

    @property
    def first(self) -> Notice:
        """The whole message."""
        return self._notice

    def after(self, tries: int, *, refused: bool, last: bool = False) -> Notice | None:
        """What to send after so many tries, of which the last one was refused or not answered; None: no more.

        The last try is the short form, also when time leaves no other (`last`); where there is to be one try
        only, a refusal has it as well.
        """
        self._refused += refused
        if tries >= self._tries:
            return short_form(self._notice) if refused and tries == 1 else None
        if last or tries == self._tries - 1:
            return short_form(self._notice)
        return self._notice.model_copy(update={"share": 1 - self._refused / self._tries})

"""What people are told of an event: title and body in plain text, from a template of named fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Final, Literal, Self

from domain.events import Event
from domain.notice_fields import FIELDS, Subject, fields_of, subject_of
from domain.plain_text import bounded
from domain.values import Value

LONGEST_TITLE: Final = 150
LONGEST_BODY: Final = 1900  # one message of every chat that has a limit worth naming

Severity = Literal["info", "success", "warning", "failure"]
SEVERITIES: Final[Mapping[Subject, Severity]] = {
    "promoted": "success",
    "overridden": "warning",
    "declined": "info",
    "rejected": "warning",
    "failed": "failure",
    "diverged": "failure",
}


class Notice(Value):
    """One message; `event_id` tells it from every other, and is the same whenever the event comes again."""

    event_id: str
    subject: str
    severity: Severity
    title: str
    body: str


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
        """Title and body, both bounded; a field's own `$` stays what it is."""
        title = " ".join(self.title.substitute(fields).split())
        return bounded(title, LONGEST_TITLE), bounded(self.body.substitute(fields), LONGEST_BODY)


def _refuse_unknown(template: Template, subject: Subject) -> None:
    allowed = ", ".join(f"${name}" for name in sorted(FIELDS[subject]))
    if not template.is_valid():
        raise ValueError(f"holds a $ that begins no placeholder: write $$ for the sign; allowed: {allowed}")
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
Seen and recorded by $actor, $promoted_at; the registry does not say who did it.
What a person sets stands. To go back, set the alias again, or ask for a training.
""",
    "declined": """\
$model: the candidate was not promoted ($decision)
$reasons
Scores: $scores
Champion stays: $champion
Trained from: $versions
All about it: laurel show $run_id
""",
    "rejected": """\
$model: a training request was rejected ($reason)
$faults
Asked: $asked
Mend what is named, and ask again. Run: $run_id
""",
    "failed": """\
$model: the step $step failed ($reason)
$message
Attempts: $attempts, last state: $state
Trained from: $versions
What the code asks for stands in the runbook. All about it: laurel show $run_id
""",
    "diverged": """\
$model: $replica does not serve version $version (generation $generation)
It serves: $served
Why: $detail ($reason)
Seconds since the promotion: $seconds. All servers: laurel status
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
        """The message about an event; None for one of which nobody is told."""
        subject = subject_of(event)
        if subject is None:
            return None
        title, body = self._templates[subject].filled(fields_of(event))
        return Notice(
            event_id=event_id, subject=subject, severity=SEVERITIES[subject], title=title, body=body
        )


def trial_notice(model_name: str) -> Notice:
    """Say by it that a channel works."""
    return Notice(
        event_id="trial",
        subject="trial",
        severity="info",
        title=bounded(f"{model_name}: Laurel can tell you here", LONGEST_TITLE),
        body="A trial of the notifier's channels. Nothing has happened.",
    )

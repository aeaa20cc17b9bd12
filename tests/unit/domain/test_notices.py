"""What a person reads, word for word."""

import re
from pathlib import Path

import pytest

from domain.errors import Stop
from domain.notice_subjects import FIELDS, SUBJECTS, Subject
from domain.notices import Notice, Wording
from service.adapters.files.notice_templates import read_templates
from tests.kit.told_events import told_event

WORDED: dict[Subject, tuple[str, str]] = {
    "promoted": (
        "price: version 5 is champion (generation 3)",
        """\
- reference rmsle 0.12 against 0.13 of the champion (version 4): gain +0.01
Scores: mae 0.48 (before 0.52, -0.04), rmsle 0.12 (before 0.13, -0.01)
Before: version 4 (generation 2)
Trained from: split 1, features 1, model 1
Decided by: gate; recorded by worker-1, 2026-01-01T00:00:00+00:00
Run: run-17""",
    ),
    "overridden": (
        "price: version 5 was made champion by hand (generation 3)",
        """\
- the alias was pointed at version 5 by hand
Before: version 4 (generation 2)
Recorded by worker-1, 2026-01-01T00:00:00+00:00; of a move of the alias the registry does not say who did it.
A person's decision stands. To go back: laurel rollback --reason TEXT""",
    ),
    "declined": (
        "price: the candidate was not promoted (DECLINE)",
        """\
- the gain is not enough
Scores: mae 0.6 (before 0.52, +0.08), rmsle 0.15 (before 0.13, +0.02)
Champion stays: version 4 (generation 2)
Trained from: split 1, features 1, model 1
Details: laurel show run-17""",
    ),
    "rejected": (
        "price: a training request was rejected (unknown_version)",
        """\
- model_version: models/v9.yaml does not exist; allowed: 1, 2, 3
Requested: model_version=9, reason=\u2039!channel\u203a http: //a.b
Fix these faults, and request it again. Run: run-17""",
    ),
    "failed": (
        "price: the step open run failed (mlflow_refused)",
        """\
MLflow said no; restore the experiment
Attempts: 2, last state: SPLIT
Trained from: split 1, features 1, model 1
The runbook says what to do about the code. Details: laurel show run-17""",
    ),
    "diverged": (
        "price: http: //inference-1:8080 does not serve version 5 (generation 3)",
        """\
It serves: version 4 (generation 2)
Why: POST /reload answered 500 (refused)
Seconds since the promotion: 12.3. All servers: laurel status""",
    ),
    "missing": (
        "price: version 5, the champion, is gone from the registry (generation 3)",
        """\
the registry no longer holds version 5; restore it
Noticed: 2026-01-01T00:00:00+00:00. Its run in MLflow: m-17
What fits, and what does not: laurel doctor""",
    ),
    "held": (
        "price: promotions are held, until 2026-01-01T12:00:00+00:00",
        """\
audit until noon
By anna, 2026-01-01T00:00:00+00:00
Candidates are trained and judged; none becomes champion. To end it: laurel release""",
    ),
    "released": (
        "price: promotions are released",
        """\
No reason was given.
By ben\uff20laptop (not proven), 2026-01-01T00:00:00+00:00
They were held since 2026-01-01T00:00:00+00:00 by anna: audit until noon
What was declined meanwhile stays declined: request it again.""",
    ),
    "quarantined": (
        "price: version 5 (generation 3) is quarantined",
        """\
it doubled every price
By anna (api), with generation 4
Trained from: split 1, features 1, model 1
The gate promotes neither this model nor its recipe. To allow it again: laurel quarantine lift 3""",
    ),
    "quarantine_lifted": (
        "price: the quarantine of version 5 (generation 3) is lifted",
        """\
it doubled every price
By ben
Trained from: split 1, features 1, model 1
The gate may promote this model and its recipe again.""",
    ),
}


def worded(subject: Subject, wording: Wording | None = None) -> Notice:
    notice = (wording or Wording()).notice(told_event(subject), "an id")
    assert notice is not None
    return notice


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_message_says_what_a_person_needs(subject: Subject) -> None:
    notice = worded(subject)
    assert (notice.subject, notice.title, notice.body) == (subject, *WORDED[subject])


def test_a_list_tells_how_much_it_leaves_out() -> None:
    event = told_event("declined", reasons=tuple(f"reason {number}" for number in range(9)))
    notice = Wording().notice(event, "an id")
    assert notice is not None
    told = [line for line in notice.body.splitlines() if line.startswith("- ")]
    assert told == [*(f"- reason {number}" for number in range(5)), "- and 4 more"]


def test_a_server_that_does_not_say_what_it_serves_is_told_so() -> None:
    event = told_event("diverged", served_version=None, served_generation=None)
    notice = Wording().notice(event, "an id")
    assert notice is not None
    assert notice.body.startswith("It serves: nothing that it reports\n")


def test_ones_own_wording_takes_the_place_of_ours_for_its_subject_alone(tmp_path: Path) -> None:
    (tmp_path / "failed.txt").write_text("Oh no: $model\n\n<!here> $step says $message\n", encoding="utf-8")
    (tmp_path / "notes.md").write_text("$what", encoding="utf-8")
    wording = Wording(read_templates(tmp_path))
    failed = worded("failed", wording)
    assert failed.title == "Oh no: price"
    assert failed.body == "<!here> open run says MLflow said no; restore the experiment"
    assert worded("declined", wording) == worded("declined")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("failed.txt", b"$model\n$scores", r"failed.txt: names \$scores, which 'failed' does not have"),
        ("promted.txt", b"$model", "promted.txt: no subject has that name; allowed: promoted.txt"),
        ("failed.txt", b"\xff", "failed.txt: is not UTF-8 at byte 0"),
        ("failed.txt", b"x" * 16_385, "failed.txt: is not a regular file of at most 16384 bytes"),
    ],
)
def test_a_template_that_cannot_be_used_stops_the_start_with_its_file(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Stop, match=why) as stopped:
        read_templates(tmp_path)
    assert stopped.value.reason == "template_unusable"


def test_a_folder_of_templates_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="nowhere: No such file or directory"):
        read_templates(tmp_path / "nowhere")


def test_the_documented_fields_are_those_that_a_template_may_name() -> None:
    page = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text(encoding="utf-8")
    table = page.partition("| subject | fields |")[2].partition("\n\n")[0]
    documented = {
        subject: set(re.findall(r"`(\w+)`", fields))
        for subjects, fields in re.findall(r"^\| (.+?) \| (.+) \|$", table, re.MULTILINE)
        for subject in re.findall(r"`(\w+)`", subjects)
    }
    assert documented == FIELDS

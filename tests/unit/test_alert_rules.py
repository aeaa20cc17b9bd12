"""The alert rules can fire: each asks for series that a role has from its start, and leads to the runbook.

Here the roles' own metrics answer; where a role runs for real, `unheard` is asked of its page.
"""

import re

import pytest
import yaml

from service.notifications.sender import begin_series
from service.runtime.metric_series import STEP_REASONS, begun
from service.runtime.metrics import _COUNTERS, _GAUGES, _HISTOGRAMS, Metrics
from tests.kit.alert_rules import FOLDER, READERS, ROOT, Rule, roles_of, rules, unheard
from tests.tools.env_example import page as settings_page
from tests.unit.core.test_notice_sender import Room
from tests.unit.test_documents import headings

RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
each_rule = pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)


@pytest.mark.parametrize("role", READERS)
def test_what_the_rules_ask_of_a_role_is_there_before_any_fault(role: str) -> None:
    metrics = Metrics(model="price", role=role)
    if role == "notifier":
        begin_series(metrics, [Room("chat")])
    assert unheard(metrics.render().decode()) == []


def test_a_rule_that_asks_for_what_no_role_tells_is_found_out() -> None:
    assert unheard(Metrics(model="price", role="notifier").render().decode()) != []


@each_rule
def test_every_rule_asks_something_of_a_role(rule: Rule) -> None:
    assert {role for one in rule.selectors for role in roles_of(one)} <= {*READERS, "api", "inference"}
    assert set(re.findall(r"\$labels\.(\w+)", rule.annotations["summary"])) <= {
        *rule.kept_labels,
        *_free(rule),
    }


def _free(rule: Rule) -> set[str]:
    """Without a sum every label is kept, also those that Prometheus adds."""
    return set() if rule.kept_labels else {"model", "instance"}


@each_rule
def test_the_runbook_of_a_rule_is_there(rule: Rule) -> None:
    path, _, anchor = rule.annotations["runbook"].partition("#")
    assert anchor in headings(ROOT / path)


def test_there_is_a_rule_for_every_line_that_is_worth_an_alert() -> None:
    chapter = RUNBOOK.partition("### Worth an alert")[2].partition("\n## ")[0]
    lines = dict(re.findall(r"^\| `(\w+)` \| (.*) \| \[.*\]\(.*\) \|$", chapter, re.MULTILINE))
    asked = {rule.name: {one.name for one in rule.selectors} for rule in rules()}
    assert {name: _metrics_in(line) for name, line in lines.items()} == asked
    runbooks = dict(re.findall(r"^\| `(\w+)` .*\]\((#.*)\) \|$", chapter, re.MULTILINE))
    assert runbooks == {rule.name: f"#{rule.annotations['runbook'].partition('#')[2]}" for rule in rules()}


def _metrics_in(line: str) -> set[str]:
    return set(re.findall(r"`((?:laurel|api)_\w+)`", line))


def test_the_sample_scrapes_every_role_where_it_listens_by_default() -> None:
    sample = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = sample["scrape_configs"]
    (targets,) = job["static_configs"]
    ports = re.findall(r"^#(?:\w+__)?(?:\w*_)?PORT=(\d+)$", settings_page(), re.MULTILINE)
    assert sorted(targets["targets"]) == sorted(f"127.0.0.1:{port}" for port in ports)
    assert [(FOLDER / name).exists() for name in sample["rule_files"]] == [True]


def test_every_code_by_which_a_step_fails_or_waits_is_counted_from_the_start() -> None:
    """Only those are left out that stop no step."""
    chapters = "".join(
        RUNBOOK.partition(f"### {title}")[2].partition("\n### ")[0] for title in ("Failed:", "Waiting:")
    )
    rows = [row.split("|")[1] for row in chapters.splitlines() if row.startswith("| `")]
    told = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    of_no_step = {"channel_unavailable", "notice_in_hand", "cancelled"}
    assert told - of_no_step - set(STEP_REASONS) == set()


def test_every_metric_with_labels_begins_in_some_role() -> None:
    """One that a later version adds without a word on its labels would be blind to its first fault."""
    tables = (_COUNTERS, _GAUGES, _HISTOGRAMS)
    labelled = {str(name) for table in tables for name, labels in table.items() if labels}
    at_channels = {"laurel_notices_total"}  # whose names only the settings know
    assert labelled - at_channels == {name for role in READERS for name, _ in begun(role)}


def test_no_series_begins_twice() -> None:
    for role in READERS:
        series = [(name, *sorted(labels.items())) for name, labels in begun(role)]
        assert len(series) == len(set(series))

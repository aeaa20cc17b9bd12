"""What the documents show is what the code says."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import TypeAdapter

from config.misspelt import former_names
from config.settings import Settings
from domain.counterparts import ALL_AGREE
from domain.events import DEAD_LETTER_TOPIC, OUTGOING, REQUEST_TOPIC, Event
from domain.lifecycle import ENDS
from domain.request import ALLOWED_FIELDS
from domain.split_rules import SPLIT_RULES
from service.adapters.files.active_config import ActiveConfig
from service.adapters.files.config_documents import CONTRACTS, FEATURES, MODELS
from service.adapters.files.yaml_documents import YamlDocument, read_document
from service.cli.commands import COMMANDS
from service.runtime.identity_labels import BUILD_INFO
from tests.tools import env_example, state_diagram
from tests.tools.reason_codes import http_codes, reason_codes
from tests.tools.shown_commands import fault_in, shown_commands, shown_targets

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
SOURCE: Final = "".join(
    path.read_text(encoding="utf-8")
    for room in ("domain", "handlers", "service")
    for path in sorted((ROOT / room).rglob("*.py"))
)
FAMILIES: Final[dict[str, TypeAdapter[Any]]] = {
    "active_config.yaml": TypeAdapter(ActiveConfig),
    "data_contracts": CONTRACTS,
    "splits": SPLIT_RULES,
    "features": FEATURES,
    "models": MODELS,
}
each_page: Final = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text_of(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


def test_the_state_diagram_is_drawn_from_the_table() -> None:
    assert state_diagram.PAGE.read_text(encoding="utf-8") == state_diagram.page(), (
        "the table changed: run `python -m tests.tools.state_diagram`"
    )


def test_every_setting_is_listed() -> None:
    assert env_example.FILE.read_text(encoding="utf-8") == env_example.page(), (
        "the settings changed: run `python -m tests.tools.env_example`"
    )


@each_page
def test_shown_commands_exist_with_their_options(page: Path) -> None:
    assert [fault for words in shown_commands(page.read_text()) if (fault := fault_in(words))] == []


def test_the_readme_shows_every_command() -> None:
    """A reader of that page alone has met them all."""
    shown = {words[1] for words in shown_commands(text_of("README.md")) if len(words) > 1}
    assert {str(command.name) for command in COMMANDS} <= shown


def test_the_readmes_figures_are_those_of_the_performance_page() -> None:
    chapter = text_of("README.md").partition("## Speed")[2].partition("\n## ")[0]
    figures = set(re.findall(r"[\d.,]*\d (?:ms|s|MB|rows)\b", chapter))
    assert len(figures) >= 5
    assert {figure for figure in figures if figure not in text_of("docs", "performance.md")} == set()


@each_page
def test_shown_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    assert shown_targets(page.read_text()) <= targets


@each_page
def test_what_a_page_points_to_is_there(page: Path) -> None:
    """Links to files and headings, and paths of tests that are called proof."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        file = page if not path else page.parent / path
        assert file.exists(), target
        assert not heading or heading in headings(file), target
    for path in re.findall(r"`((?:tests|domain|service|handlers|config|docs|docker)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


def headings(page: Path) -> set[str]:
    """The anchors that a page has, as they are made from its headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


@each_page
def test_named_settings_exist(page: Path) -> None:
    names = {line.removeprefix("#").partition("=")[0] for line in env_example.page().splitlines()}
    named = set(re.findall(r"\b[A-Z]+__[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")))
    former = {one.name for one in former_names(Settings)}
    assert named <= names | former


def test_every_reason_code_is_explained() -> None:
    """A person who is woken by a code finds it in the runbook."""
    explained = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", text_of("docs", "operations.md")))
    assert (reason_codes() | http_codes()) - explained == set()


@pytest.mark.parametrize(
    ("pages", "rooms"),
    [
        (("http-api", "dag-api"), ("runtime", "gateway")),
        (("serving",), ("runtime", "serving")),
    ],
    ids=["gateway", "inference"],
)
def test_every_code_of_an_answer_is_documented_where_its_callers_read(
    pages: tuple[str, ...], rooms: tuple[str, ...]
) -> None:
    text = "".join(text_of("docs", f"{page}.md") for page in pages)
    documented = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)`", text))
    codes = {code for room in rooms for code in http_codes(room)}
    assert len(codes) > 10
    assert codes - documented == set()


def test_the_runbook_explains_no_code_that_nobody_gives() -> None:
    chapter = text_of("docs", "operations.md").partition("## Reason codes")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in chapter.splitlines() if line.startswith("| `")]
    explained = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    assert {code for code in explained if code not in SOURCE} == set()


def test_the_runbook_has_the_sentence_that_ledger_status_prints() -> None:
    shown = text_of("docs", "operations.md").partition("laurel ledger status\n```\n\nYou should see")[2]
    assert f"`{ALL_AGREE}`" in shown.partition("\n\n")[0]


def test_every_code_with_which_a_request_is_rejected_stands_under_rejected() -> None:
    """Resolving refuses a master whose footer cannot be read; what only its pages show fails later."""
    runbook = text_of("docs", "operations.md")
    chapter = runbook.partition("### Rejected")[2].partition("\n### ")[0]
    explained = set(re.findall(r"^\| (`.+?) \|", chapter, re.MULTILINE))
    codes = {code for row in explained for code in re.findall(r"`([a-z_]+)`", row)}
    assert {"unreadable_dataset", "column_missing", "unknown_param", "bad_version"} <= codes


def test_every_metric_that_is_emitted_is_explained_and_no_other() -> None:
    vocabulary = set(re.findall(r'"(laurel_[a-z_]+)"', text_of("service", "runtime", "metrics.py")))
    emitted = {
        name
        for name in vocabulary
        if SOURCE.count(f'"{name}"') > text_of("service", "runtime", "metrics.py").count(f'"{name}"')
    }
    explained = set(re.findall(r"^\| `(laurel_[a-z_]+)`", text_of("docs", "operations.md"), re.MULTILINE))
    assert explained == emitted | {BUILD_INFO}


def test_every_event_is_described_with_all_its_fields() -> None:
    text = text_of("docs", "events.md")
    for event in OUTGOING:
        _, _, chapter = text.partition(f"### `{event.topic}`")
        described = set(re.findall(r"`(\w+)`", chapter.partition("\n##")[0]))
        assert set(event.model_fields) <= described, event.topic
        assert f"| `{event.topic}` | `{event.wire_type}` |" in text
    for word in (REQUEST_TOPIC, DEAD_LETTER_TOPIC, *ALLOWED_FIELDS):
        assert f"`{word}`" in text


def test_shown_events_are_events() -> None:
    """An example that no reader could parse would be worse than none."""
    text = text_of("docs", "events.md")
    for event in (event for event in OUTGOING if f"### `{event.topic}`" in text):
        chapter = text.partition(f"### `{event.topic}`")[2].partition("\n##")[0]
        for example in re.findall(r"```json\n(.*?)```", chapter, re.DOTALL):
            assert set(read(event, example)) == set(event.model_fields)


def read(event: type[Event], example: str) -> dict[str, Any]:
    return event.model_validate_json(example).model_dump(exclude_unset=True)


def test_every_end_of_a_request_is_explained() -> None:
    assert {f"| {end} |" in text_of("docs", "guarantees.md") for end in ENDS} == {True}


def test_shown_configuration_files_are_valid() -> None:
    examples = re.findall(r"```yaml\n# (\S+)\n(.*?)```", text_of("docs", "configuration.md"), re.DOTALL)
    assert len(examples) >= len(FAMILIES)
    for name, example in examples:
        document = read_document(name, example.encode())
        assert isinstance(document, YamlDocument), document
        FAMILIES[name.partition("/")[0]].validate_python(document.values)

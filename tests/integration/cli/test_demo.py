"""`laurel demo` plays its whole story on servers of its own, and can be interrupted at any time.

Its cost: a world that starts cold, and the nine lifecycles of the story on the Ames house sales.
"""

import re
from pathlib import Path

import pytest

from service.cli.console import Exit
from service.local.servers.ports import free_port, is_free
from tests.integration.cli.processes import left_of, process

FIRST_WORDS = {
    1: "1,941 sales up to 2008; no champion yet",
    2: "a weaker model definition",
    3: "new sales arrive: the master grows to 2,930 rows",
    4: "a version that does not exist, and a typo",
    5: "the same event, delivered twice",
    6: "predictions are too high: back to the champion before",
    7: "the next request would train that model again",
}
EVENTS = [
    *("split.completed", "model.evaluated", "model.promoted"),
    *("split.completed", "model.evaluated", "model.declined"),
    *("split.completed", "model.evaluated", "model.promoted"),
    *("training.rejected", "training.rejected"),
    *("split.completed", "model.evaluated", "model.declined"),
    *("model.quarantined", "model.promoted"),
    *("split.completed", "model.evaluated", "model.declined"),
]


@pytest.mark.timeout(600)  # with the broker's jars still to be fetched
def test_the_story_is_told_to_its_end(tmp_path: Path) -> None:
    base = free_port(8)
    with process("demo", "--home", tmp_path, "--port-base", base) as demo:
        demo.until("1. ")
        started = demo.descendants()
        code = demo.end()

    assert code == Exit.DONE, demo.text
    chapters = dict(re.findall(r"^(\d)\. (.*)$", demo.text, re.MULTILINE))
    assert all(chapters[str(number)].startswith(words) for number, words in FIRST_WORDS.items())
    assert demo.text.startswith("seven chapters on real servers: about a minute")
    assert len(re.findall(r"^\d\. .*\n   \([a-z ]+: .*\)$", demo.text, re.MULTILINE)) == len(FIRST_WORDS)
    _starts_to_the_end(demo.text)
    _tells_what_happened(demo.text)
    _shows_events(demo.text)
    _shows_tables(demo.text)
    assert f"http://127.0.0.1:{base + 3}" in demo.text
    assert list((tmp_path / "demo" / "servers" / "mlflow" / "artifacts").rglob("*.png"))
    assert not left_of(started)
    assert all(is_free(port) for port in range(base, base + 8))


def _starts_to_the_end(text: str) -> None:
    """The last word about each part of the start is that it is there."""
    said = dict(re.findall(r"^ +[\d.]+ s  (\S+) +(\S.*)$", text.partition("\n1. ")[0], re.MULTILINE))
    said.pop("…", None)
    assert set(said.values()) == {"ready", "runs; serves once there is a champion"}


def _shows_events(text: str) -> None:
    told = re.findall(r"^   [\d-]{10} \d\d:\d\d:\d\d\.\d{3}Z  (\S+)", text, re.MULTILINE)
    assert [topic for topic in told if not topic.startswith("inference.")] == EVENTS
    assert told.count("inference.reloaded") == 2 * EVENTS.count("model.promoted")


def _tells_what_happened(text: str) -> None:
    for words in (
        "→ promoted (generation 1): there is no champion yet",
        "declined: reference rmsle",
        "promoted (generation 2): reference rmsle",
        "active_config.yaml: model_version 1 → 3",
        "reference untouched: sha256 ",
        "rejected: features/v99.yaml does not exist; allowed: 1",
        "rejected: no such field: 'model_versoin' (did you mean model_version?); allowed: ",
        "two deliveries, 1 run",
        "declined: the same recipe (versions and training data): version 2 (generation 2) is quarantined",
        "generation 3: back to generation 1, version 1",
        "active_config.yaml: model_version 3 → 1",
        "prediction before: status 503: no_model",
        "served by 2 of 2 servers",
        "2 of 2 inference servers serve it",
    ):
        assert words in text


def _shows_tables(text: str) -> None:
    rows = re.findall(r"^ *[0-9a-f]{8} +([A-Z]+) .* (\d+\.\d) ", text, re.MULTILINE)
    states = [state for state, _ in rows]
    assert states == ["COMPLETED", "DECLINED", "COMPLETED", "REJECTED", "REJECTED", "DECLINED", "DECLINED"]
    answers = re.findall(r"prediction (before|now): [\d,]+ dollars, by version (\d)", text)
    assert answers == [("now", "1"), ("before", "1"), ("now", "2"), ("now", "1"), ("now", "1")]
    generations = re.findall(r"^ *(\d+) +(\d+) +(gate|rollback) +", text, re.MULTILINE)
    assert sorted(generations) == [("1", "1", "gate"), ("2", "2", "gate"), ("3", "1", "rollback")]


@pytest.mark.soak
def test_interrupted_in_the_middle_it_ends_and_leaves_nothing_behind(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """On the session's servers, so that only its own roles are started."""
    servers = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "MLFLOW_TRACKING_URI")
    with process(
        "demo",
        "--home",
        tmp_path,
        "--port-base",
        free_port(8),
        **{name: environment[name] for name in servers},
    ) as demo:
        demo.until("2. ")
        started = demo.descendants()
        demo.interrupt()
        code = demo.end()

    assert code == Exit.INTERRUPTED
    assert demo.lines[-1] == "ended; nothing is left running\n"
    assert "Traceback" not in demo.text
    assert not left_of(started)

"""Whatever goes wrong ends in a sentence and a code, and never in a traceback."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import LaurelError, NeverRetry, Stop, TryLater
from service.adapters.kafka import topic_provisioning
from service.cli import topics
from service.cli.console import Exit
from tests.unit.cli.calls import Laurel

Fails = Callable[[BaseException], None]


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Fails:
    """Let `laurel topics ensure` meet an error."""

    def with_this(error: BaseException) -> None:
        async def failing(*_: object, **__: object) -> list[str]:
            raise error

        monkeypatch.setattr(topic_provisioning, "ensure_topics", failing)

    return with_this


def test_a_faulty_setting_is_named_and_its_value_is_not(laurel: Laurel, whole: dict[str, str]) -> None:
    ended = laurel(
        "runs", **whole | {"MLFLOW_TRACKING_URI": "ftp://canary-7391", "WORKER__LEASE_SECOND": "1"}
    )

    assert ended.code == Exit.USAGE
    assert "MLFLOW_TRACKING_URI: must be" in ended.err
    assert "WORKER__LEASE_SECOND: there is no such setting" in ended.err
    assert "canary" not in ended.err


def test_a_file_of_variables_that_is_no_text_is_a_sentence(laurel: Laurel, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"CONFIG_ROOT=\xff\xfe\n")

    for command in (["runs"], ["config", "show"]):
        ended = laurel(*command)
        assert ended.code == Exit.USAGE
        assert ".env" in ended.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TryLater("kafka_unavailable", "kafka does not answer"), Exit.AWAY),
        (Stop("kafka_denied", "kafka refuses nobody"), Exit.USAGE),
        (NeverRetry("topic_refused", "topic [b]x[/b] cannot be created"), Exit.NO),
        (LaurelError("other", "something else"), Exit.NO),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_ends_with_its_sentence_and_its_code(
    error: LaurelError, code: Exit, laurel: Laurel, whole: dict[str, str], fails: Fails
) -> None:
    fails(error)

    ended = laurel("topics", "ensure", **whole)

    assert ended.code == code
    hint = "; `laurel doctor` checks every server" if code is Exit.AWAY else ""
    assert ended.err == f"laurel: {error.message}{hint}\n"


def test_ctrl_c_ends_a_command_quietly(laurel: Laurel, whole: dict[str, str], fails: Fails) -> None:
    fails(KeyboardInterrupt())

    ended = laurel("topics", "ensure", **whole)

    assert (ended.code, ended.out, ended.err) == (Exit.INTERRUPTED, "", "")


def test_what_nobody_expected_is_one_line_without_secrets(
    laurel: Laurel, whole: dict[str, str], fails: Fails
) -> None:
    fails(RuntimeError("no way in with canary-7391\nand more"))

    ended = laurel("topics", "ensure", **whole)

    assert ended.code == Exit.NO
    assert ended.err.count("\n") == 1
    assert "RuntimeError: no way in with" in ended.err
    assert "canary" not in ended.err
    assert "LAUREL_DEBUG=1" in ended.err


def test_a_message_that_cannot_be_masked_is_not_shown(
    laurel: Laurel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("canary-7391")

    monkeypatch.setattr(topics, "read_settings", broken)

    ended = laurel("topics", "ensure", WORKER__LEASE_SECONDS="of no use")

    assert ended.code == Exit.NO
    assert "RuntimeError" in ended.err
    assert "canary" not in ended.err


def broken(breaking: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `laurel` in a process of its own, which has been broken first."""
    return subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", f"{breaking}\nimport service.cli; service.cli.main()", *arguments],
        env=variables,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_traceback_is_shown_to_those_who_ask_for_it(whole: dict[str, str]) -> None:
    breaking = "import service.cli.topics as topics; topics.read_settings = None"

    done = broken(breaking, "topics", "ensure", LAUREL_DEBUG="1", **whole)

    assert "Traceback" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("place", ["0", "0/", "a/1", "0/-1"])
def test_a_dead_letters_place_is_partition_and_offset(
    place: str, laurel: Laurel, whole: dict[str, str]
) -> None:
    assert laurel("dead-letters", "show", "--", place, **whole).code == Exit.USAGE


def test_what_nobody_expected_of_a_role_is_in_its_log_whole(whole: dict[str, str]) -> None:
    done = broken(
        "import service.cli.role_runner as living\n"
        "async def failing(*_): raise RuntimeError('no way in with canary-7391')\n"
        "living.live = failing",
        "worker",
        **whole,
    )

    *logged, last = done.stderr.splitlines()
    assert done.returncode == Exit.NO
    assert any("Traceback" in json.loads(line)["exception"] for line in logged)
    assert last.startswith("laurel: unexpected RuntimeError")
    assert "canary" not in done.stderr

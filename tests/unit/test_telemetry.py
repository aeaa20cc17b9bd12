"""Logs: one JSON line for each thing said, the correlation id in it, no secret in any."""

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from service.runtime.secret_mask import Mask
from service.runtime.telemetry import OncePerWhile, configure_logging, doing

SECRETS = ["canary-token", 'pass"word\\7', "p\N{LATIN SMALL LETTER A WITH ACUTE}ss/w:rd"]


@pytest.fixture
def lines() -> Iterator[Any]:
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    kept = (root.handlers[:], root.level)
    stream = io.StringIO()
    configure_logging(Mask(SECRETS), stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = kept
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_a_line_says_what_when_and_for_which_request(lines: Any) -> None:
    with doing(correlation_id="c-1", run_id=None):
        structlog.get_logger("laurel.test").info("step_done", step="split")
    structlog.get_logger("laurel.test").info("idle")
    first, second = lines()
    assert first["event"] == "step_done"
    assert (first["step"], first["correlation_id"], first["level"]) == ("split", "c-1", "info")
    assert first["timestamp"].endswith("Z")
    assert "run_id" not in first
    assert "correlation_id" not in second


def test_what_libraries_log_is_json_too(lines: Any) -> None:
    logging.getLogger("some.library").warning("lost %s", "connection")
    assert lines()[0] | {"timestamp": ""} == {
        "event": "lost connection",
        "level": "warning",
        "logger": "some.library",
        "timestamp": "",
    }


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_in_no_line_whichever_way_it_is_said(lines: Any, secret: str) -> None:
    log = structlog.get_logger("laurel.test")
    log.info("said", text=f"it is {secret}", nested={"deep": [secret]})
    logging.getLogger("library").error("failed with %r", secret)
    log.error("raised", exc_info=ValueError(f"bad {secret}"))
    said = json.dumps(lines(), ensure_ascii=False)
    assert len(lines()) == 3
    assert secret not in said
    assert json.dumps(secret)[1:-1] not in said
    assert "canary" not in said


def test_what_is_named_like_a_secret_is_hidden_whatever_it_holds(lines: Any) -> None:
    structlog.get_logger().info("x", password="a", api_key="b", Authorization="c", inference_token="d")  # noqa: S106
    said = lines()[0]
    assert {said[name] for name in ("password", "api_key", "Authorization", "inference_token")} == {"***"}


def test_credentials_in_a_url_and_a_bearer_token_are_hidden() -> None:
    mask = Mask()
    assert mask("postgresql+psycopg://laurel:s3cret@db:5432/x") == "postgresql+psycopg://***@db:5432/x"
    assert mask("Authorization: Bearer abc.def-123") == "Authorization: Bearer ***"
    assert mask("http://127.0.0.1:5000/path") == "http://127.0.0.1:5000/path"


def test_an_empty_or_tiny_secret_does_not_black_out_everything() -> None:
    assert Mask(["", "a"])("a plain line") == "a plain line"


def test_uncaught_exceptions_are_lines_as_well(lines: Any) -> None:
    error = ValueError("canary-token")
    sys.excepthook(ValueError, error, None)
    assert "***" in lines()[0]["exception"]


@pytest.mark.parametrize("human", [True, False])
def test_no_text_commands_a_terminal_or_forges_a_line(*, human: bool) -> None:
    stream = io.StringIO()
    configure_logging(Mask(), stream=stream, human=human)
    forged = "eve\n2026-11-29 [info] promoted\x1b[2J\x9b\u202e\u2028"
    structlog.get_logger("laurel").warning("asked", by=forged)
    logging.getLogger("others").warning("%s", forged)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


def test_a_library_says_the_same_once_in_a_while() -> None:
    once = OncePerWhile(["aiokafka"])

    def record(name: str, text: str) -> logging.LogRecord:
        return logging.LogRecord(name, logging.ERROR, "", 0, text, None, None)

    assert once.filter(record("aiokafka.client", "gone"))
    assert not once.filter(record("aiokafka.client", "gone"))
    assert once.filter(record("aiokafka.client", "back"))
    assert all(once.filter(record("laurel", "gone")) for _ in range(3))

"""What is said while something takes long, on a screen that cannot be drawn on, and what stays of a start."""

import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from service.cli import demo_output, local
from service.cli.demo_output import Teller
from service.cli.local import StartProgress
from service.local.laurel import AWAITS_A_CHAMPION


def test_a_silent_start_says_what_it_still_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    said = ""
    with StartProgress(silent_seconds=0.02) as start:
        start("kafka", "starting", 0)
        start("postgres", "ready", 0)
        until = time.monotonic() + 20
        while "still waiting for kafka\n" not in said and time.monotonic() < until:
            time.sleep(0.01)
            said += capsys.readouterr().err
    assert "still waiting for kafka\n" in said


def test_a_silent_chapter_says_what_the_run_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Teller(quiet=False) as teller:
        monkeypatch.setattr(demo_output, "_SILENT_SECONDS", 600.0)
        teller.chapter(1, "a title", "word: what it means")
        teller.show("too soon to be told")
        monkeypatch.setattr(demo_output, "_SILENT_SECONDS", 0.0)
        teller.show("run 1: trains")
    assert capsys.readouterr().out == "1. a title\n   (word: what it means)\n   … run 1: trains\n"


def test_on_a_terminal_the_table_that_stays_says_how_the_start_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Console(force_terminal=True, width=80, record=True)
    monkeypatch.setattr(local, "err", SimpleNamespace(is_live=True, rich=screen))
    with StartProgress() as start:
        start("kafka", "starting", 0)
        start("inference-1", "starting", 0)
        start("kafka", "ready", 0)
        start("inference-1", AWAITS_A_CHAMPION, 0)
    last = screen.export_text().splitlines()[-2:]
    assert [line.split()[:2] for line in last] == [["✓", "kafka"], ["✓", "inference-1"]]
    assert AWAITS_A_CHAMPION in last[1]

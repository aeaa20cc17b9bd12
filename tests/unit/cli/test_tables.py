"""What is printed fits the screen, and is printed as it is."""

import io
import json
import os
from datetime import datetime, timedelta, timezone

import pytest

from domain.wording import iso_time
from service.cli.adoption import ADOPTED_COLUMNS
from service.cli.champions import CHAMPION_COLUMNS
from service.cli.configuration import SETTING_COLUMNS
from service.cli.console import Column, clock_time, print_json, print_table, say
from service.cli.dead_letters import DEAD_LETTER_COLUMNS
from service.cli.formatting import RUN_COLUMNS
from service.cli.ledger import LEDGER_COLUMNS
from service.cli.runs import STEP_COLUMNS, score_columns
from service.cli.screen import Screen
from service.cli.status import REPLICA_COLUMNS
from service.cli.workers import WORKER_COLUMNS

FULL_RUN = (
    "85a27d19", "COMPLETED", "12/34/56", "rmsle 0.17532", "0.17885", "INCONCLUSIVE", "1234", "12345.6",
    "2026-11-24 07:33:56Z", "postgres", "somebody", "3a22356c",
)  # fmt: skip
FULL_ENTRY = ("12", "345", "override", "2026-11-24 07:33:58Z", "85a27d19", "a reason of many words " * 8)
TABLES = {
    "runs": (RUN_COLUMNS, FULL_RUN),
    "champions": (CHAMPION_COLUMNS, FULL_ENTRY),
    "replicas": (
        REPLICA_COLUMNS,
        (
            "https://inference-7.models.svc.cluster.local:8443",
            "10.224.17.103",
            "refused",
            "1234",
            "345",
            "12",
            "no",
        ),
    ),
    "workers": (
        WORKER_COLUMNS,
        (
            "worker-7-of-the-night",
            "construction_cost_model",
            "silent",
            "12 min ago",
            "85a27d19",
            "0.2.0",
            "2026-11-24 07:33:56Z",
            "laurel-worker-6d5f7c9b8-x2x9q",
            "4194304",
        ),
    ),
    "ledger": (
        LEDGER_COLUMNS,
        ("registry, alias", "1234", "345", "0b7c9f7e-8c55-4c39-9c61-7a9c2f7c3c11", "f" * 32, "it is empty"),
    ),
    "adopted": (
        ADOPTED_COLUMNS,
        (
            "reference",
            "reference/tests/v12/test_reference.parquet",
            "would be recorded",
            "0b7c9f7e8c55",
            "why",
        ),
    ),
    "dead letters": (
        DEAD_LETTER_COLUMNS,
        ("12/1234567", "unreadable_headers", "1234", "262144", "training.requested/11/7654321", "not JSON"),
    ),
    "steps": (STEP_COLUMNS, ("2026-11-24 07:33:58.123Z", "VERSIONED", "TRAINED", "12345.678", "17")),
    "scores": (score_columns(), ("recent_12_Year_Sold", "336676", "0.178854", "123456.7", "-0.987654")),
    "settings": (
        SETTING_COLUMNS,
        ("WORKER__WAIT_BUDGET_SECONDS", "21600.0", "environment", "how long it waits"),
    ),
}


def screen_of(width: int, *, terminal: bool = False) -> Screen:
    return Screen(given=io.StringIO(), given_width=width, given_terminal=terminal)


def printed(width: int, columns: tuple[Column, ...], *rows: tuple[object, ...]) -> list[str]:
    screen = screen_of(width)
    print_table("a table", columns, rows, on=screen)
    return written(screen).splitlines()


def written(screen: Screen) -> str:
    assert isinstance(screen.given, io.StringIO)
    return screen.given.getvalue()


@pytest.mark.parametrize("width", [80, 100, 150])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_fits_and_neither_loses_nor_cuts_a_cell(name: str, width: int) -> None:
    """What does not stand side by side goes on below its row; texts alone wrap, between words."""
    columns, row = TABLES[name]
    lines = printed(width, columns, row)

    assert max(map(len, lines)) <= width
    for column, cell in zip(columns, row, strict=True):
        if column.kind != "text":
            assert any(cell in line for line in lines), column.name
    words = " ".join(lines).split()
    assert set(" ".join(row).split()) <= set(words)


def test_a_terminal_of_80_columns_keeps_times_ids_and_versions_in_the_row() -> None:
    (line,) = [line for line in printed(80, RUN_COLUMNS, FULL_RUN) if "85a27d19" in line]

    assert {"COMPLETED", "12/34/56", "2026-11-24", "07:33:56Z"} <= set(line.split())


def test_on_a_wide_screen_a_run_is_one_line() -> None:
    (line,) = [line for line in printed(150, RUN_COLUMNS, FULL_RUN) if "85a27d19" in line]

    assert all(cell in line for cell in FULL_RUN)


def test_a_spare_column_that_holds_nothing_is_left_out() -> None:
    for width in (80, 150):
        lines = printed(width, RUN_COLUMNS, (*FULL_RUN[:9], "", None, ""))
        assert "waits for" not in "".join(lines)


@pytest.mark.parametrize("width", [80, 150])
def test_a_long_reason_wraps_and_figures_do_not(width: int) -> None:
    lines = printed(width, CHAMPION_COLUMNS, FULL_ENTRY)

    assert any({"12", "345", "override"} <= set(line.split()) for line in lines)
    assert " ".join(lines).count("reason") == 8


def test_a_table_without_rows_says_so() -> None:
    assert "none" in "".join(printed(80, RUN_COLUMNS))


def test_signs_that_take_two_columns_are_counted_twice() -> None:
    lines = printed(80, (Column("by"), Column("state")), ("東京", "A"), ("abcd", "B"))

    assert [line for line in lines if line.startswith("東京")] == ["東京  A"]
    assert "abcd  B" in lines


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_signs_that_a_terminal_lacks_are_spelled_out(encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    screen = Screen(given=stream, given_width=80)
    print_table("a table", (Column("by"), Column("state")), [("Ольга", "DONE")], on=screen)
    say("→ Ольга", on=screen)

    stream.seek(0)
    lines = stream.read().splitlines()
    assert lines[3] == r"\u041e\u043b\u044c\u0433\u0430  DONE"
    assert set(lines[2]) == {"-"}
    assert lines[4].endswith(r"\u041e\u043b\u044c\u0433\u0430")


@pytest.mark.parametrize("text", ["[red]no markup[/]", "a [/] that closes nothing", "[Errno 111] refused"])
def test_what_comes_from_outside_is_no_markup(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)

    assert capsys.readouterr().out == f"{text}\n"
    assert text in "".join(printed(80, (Column("a"),), (text,)))


def test_what_comes_from_outside_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[2Jb\x07\u202e")

    assert capsys.readouterr().out == "a\\x1b[2Jb\\x07\\u202e\n"
    assert "\x1b" not in "".join(printed(80, (Column("a"),), ("\x1b]0;x\x07",)))


FORGED = "eve\n85a27d19  COMPLETED\r\x9b2J\u202e\u2028\u2066\ufeff\x85"


def test_a_text_forges_no_row_of_a_table_and_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    row = (*FULL_RUN[:9], "", FORGED, "")
    assert len(printed(200, RUN_COLUMNS, row)) == len(printed(200, RUN_COLUMNS, FULL_RUN))
    (line,) = [line for line in printed(200, RUN_COLUMNS, row) if "COMPLETED" in line]
    assert line.isprintable()
    say(FORGED)
    told = capsys.readouterr().out
    assert (told[-1], told[:-1].isprintable()) == ("\n", True)


def test_json_says_the_same_and_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"by": FORGED, "also": "Østergård \U0001f3e0\U000e0001"})
    told = capsys.readouterr().out
    assert json.loads(told) == {"by": FORGED, "also": "Østergård \U0001f3e0\U000e0001"}
    assert "Østergård \U0001f3e0" in told
    assert told.replace("\n", "").isprintable()


@pytest.mark.usefixtures("own_environment")
@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=str
)
def test_colours_are_for_terminals_that_want_them(
    variables: dict[str, str],
    coloured: bool,  # noqa: FBT001 - a parameter of the table above
    capsys: pytest.CaptureFixture[str],
) -> None:
    os.environ.update({"TERM": "xterm", "NO_COLOR": ""} | variables)
    screen = screen_of(80, terminal=True)
    say("red", style="red", on=screen)
    say("red", style="red")

    assert written(screen) == ("\x1b[31mred\x1b[0m\n" if coloured else "red\n")
    assert capsys.readouterr().out == "red\n"


def test_on_a_terminal_a_sentence_wraps_at_words_and_elsewhere_it_is_one_line() -> None:
    sentence = "   a reason of many long words that has to go on in a second line"
    terminal, pipe = screen_of(30, terminal=True), screen_of(30)

    say(sentence, on=terminal, hang=5)
    say(sentence, on=pipe, hang=5)

    first, *others = written(terminal).splitlines()
    assert first.startswith("   a reason")
    assert others
    assert all(line.startswith("     ") and len(line) <= 30 for line in others)
    assert written(pipe) == f"{sentence}\n"


def test_a_moment_is_told_in_one_zone_wherever_the_machine_stands() -> None:
    at = datetime(2026, 11, 29, 15, 3, 22, 501_900, tzinfo=timezone(timedelta(hours=1)))

    assert iso_time(at) == "2026-11-29 14:03:22Z"
    assert clock_time(at) == "2026-11-29 14:03:22.501Z"

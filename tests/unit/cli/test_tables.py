"""What is printed fits the screen, and is printed as it is."""

import io

import pytest
from rich.console import Console

from service.cli.champions import CHAMPION_COLUMNS
from service.cli.console import Column, print_table, say
from service.cli.shown import RUN_COLUMNS

FULL_RUN = (
    "85a27d19", "COMPLETED", "12/34/56", "0.17532", "0.17885", "INCONCLUSIVE", "1234", "12345.6",
    "24.11. 07:33:56", "postgres", "somebody", "3a22356c",
)  # fmt: skip
FULL_ENTRY = ("12", "345", "override", "2026-11-24 07:33:58", "85a27d19", "a reason of many words " * 8)


def printed(width: int, columns: tuple[Column, ...], *rows: tuple[object, ...]) -> list[str]:
    screen = Console(file=io.StringIO(), width=width)
    print_table("a table", columns, rows, on=screen)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 150])
def test_a_run_is_one_line_whose_figures_are_whole(width: int) -> None:
    lines = printed(width, RUN_COLUMNS, FULL_RUN)

    assert max(map(len, lines)) <= width
    (line,) = [line for line in lines if "85a27d19" in line]
    for cell in ("COMPLETED", "0.17532", "0.17885", "INCONCLUSIVE", "1234", "12345.6"):
        assert cell in line.split()


def test_on_a_wide_screen_nothing_is_left_out() -> None:
    assert all(any(cell in line for line in printed(150, RUN_COLUMNS, FULL_RUN)) for cell in FULL_RUN)


def test_a_spare_column_that_holds_nothing_is_left_out() -> None:
    lines = printed(150, RUN_COLUMNS, (*FULL_RUN[:9], "", None, ""))

    assert "waits for" not in "".join(lines)


@pytest.mark.parametrize("width", [80, 150])
def test_a_long_reason_wraps_and_figures_do_not(width: int) -> None:
    lines = printed(width, CHAMPION_COLUMNS, FULL_ENTRY)

    assert max(map(len, lines)) <= width
    assert any({"12", "345", "override"} <= set(line.split()) for line in lines)
    assert " ".join(lines).count("reason") == 8


def test_a_table_without_rows_says_so() -> None:
    assert "none" in "".join(printed(80, RUN_COLUMNS))


@pytest.mark.parametrize("text", ["[red]no markup[/]", "a [/] that closes nothing", "[Errno 111] refused"])
def test_what_comes_from_outside_is_no_markup(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)

    assert capsys.readouterr().out == f"{text}\n"
    assert text in "".join(printed(80, (Column("a"),), (text,)))


def test_what_comes_from_outside_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[2Jb\x07\u202e")

    assert capsys.readouterr().out == "a\\x1b[2Jb\\x07\\u202e\n"
    assert "\x1b" not in "".join(printed(80, (Column("a"),), ("\x1b]0;x\x07",)))


def test_there_are_colours_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, color_system="standard")
    say("red", style="red", on=screen)
    say("red", style="red")

    assert isinstance(screen.file, io.StringIO)
    assert "\x1b[31m" in screen.file.getvalue()
    assert capsys.readouterr().out == "red\n"


def test_on_a_terminal_a_sentence_wraps_at_words_and_elsewhere_it_is_one_line() -> None:
    sentence = "   a reason of many long words that has to go on in a second line"
    terminal = Console(file=io.StringIO(), force_terminal=True, width=30)
    pipe = Console(file=io.StringIO(), width=30)

    say(sentence, on=terminal, hang=5)
    say(sentence, on=pipe, hang=5)

    assert isinstance(terminal.file, io.StringIO)
    assert isinstance(pipe.file, io.StringIO)
    first, *others = terminal.file.getvalue().splitlines()
    assert first.startswith("   a reason")
    assert others
    assert all(line.startswith("     ") and len(line) <= 30 for line in others)
    assert pipe.file.getvalue() == f"{sentence}\n"

"""An alias that does not show the ledger's head is told, unless it is just following."""

from datetime import timedelta

import pytest

from domain.counterparts import alias_gap
from tests.kit.builders import NOW, an_entry

HEAD = an_entry(None, 2)
LATER = HEAD.at + timedelta(seconds=31)


@pytest.mark.parametrize(("named", "says"), [(1, "names version 1"), (3, "names version 3"), (None, "exist")])
def test_another_version_or_none_is_told_with_both_numbers(named: int | None, says: str) -> None:
    gap = alias_gap(HEAD, named, "prod", LATER)
    assert gap is not None
    assert says in gap
    assert "head is version 2" in gap


def test_the_head_s_version_an_empty_ledger_and_a_head_of_this_moment_are_no_gap() -> None:
    assert alias_gap(HEAD, 2, "prod", LATER) is None
    assert alias_gap(None, None, "prod", NOW) is None
    assert alias_gap(HEAD, 1, "prod", HEAD.at + timedelta(seconds=29)) is None

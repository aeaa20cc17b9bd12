"""Holding, releasing and lifting at the command line, and the page that shows it, typed as it stands."""

import json
import re
import shlex
from pathlib import Path

import pytest

from domain.ledger import next_entry
from service.cli.console import Exit
from tests.contract.stores import Stores
from tests.contract.test_holds import quarantine
from tests.integration.cli.stories import heard, left, promote_twice
from tests.unit.cli.calls import Laurel

PAGE = (Path(__file__).parents[3] / "docs" / "hold-and-quarantine.md").read_text(encoding="utf-8")
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
    if line.startswith("laurel ")
]  # fmt: skip


async def roll_back(stores: Stores, model: str) -> None:
    """Return from generation 2 to version 1."""
    await promote_twice(stores, model)
    head = await stores.ledger.head(model)
    facts = {"cause": "rollback", "reasons": ("too high",), "actor": "anna (api)", "at": head and head.at}
    rollback = next_entry(model, head, version=1, **facts)
    await stores.ledger.append(rollback, quarantines=[quarantine(model, rollback)])


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def command(line: str) -> list[str]:
    """A line of the page as a shell splits it."""
    return shlex.split(line)[1:]


def test_the_page_says_what_happens(laurel: Laurel, environment: dict[str, str], model: str) -> None:
    left(environment["DATABASE_URL"], model, lambda stores: roll_back(stores, model))
    heard(environment["DATABASE_URL"], model, "w")
    hold, status, release, listing, lift = map(command, COMMANDS)

    held = laurel(*hold)
    assert held.code == Exit.DONE, held.err
    told = in_one_line(held.out)
    assert re.search(r"promotions are held since .* by .* \(command line, not proven\), until 2035-", told)
    assert "audit until noon" in told
    assert told.strip() in in_one_line(laurel(*status).out)
    refused = laurel(*hold)
    assert refused.code == Exit.NO
    assert "release it first with `laurel release`" in in_one_line(refused.err)

    doctor = laurel("doctor").out
    (line,) = (line for line in doctor.splitlines() if " promotions " in line)
    assert line.startswith("warn")
    assert line.endswith("laurel release")
    assert laurel("champion", "--json").json["hold"]["reason"] == "audit until noon"
    assert laurel("status", "--json").json["hold"]["proven"] is False

    released = laurel(*release)
    assert re.search(r"released .* by .*: the audit is done", in_one_line(released.out)), released.err
    assert laurel(*release).code == Exit.NO
    assert laurel("champion", "--json").json["hold"] is None

    listed = laurel(*listing)
    assert "too high" in listed.out or "it doubled every price" in listed.out
    lifted = laurel(*lift)
    assert re.search(r"lifted: version 2 \(generation 2\) is quarantined since", in_one_line(lifted.out))
    assert laurel(*lift).code == Exit.NO
    assert "nothing of" in laurel(*listing).out
    (kept,) = laurel("quarantine", "list", "--all", "--json").json
    assert kept["lift_reason"] == "it was the gateway, not the model"


def test_who_decided_stands_beside_who_typed_it(laurel: Laurel) -> None:
    held = laurel("hold", "--reason", "r", "--by", "Ada Lovelace", "--json").json
    assert held["actor"] == "Ada Lovelace"
    assert held["door"].startswith("command line of ")
    assert held["proven"] is False
    assert held["until"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("hold", "--reason", " "), "--reason"),
        (("hold", "--reason", "r", "--until", "noon"), "'noon' is no time that is known here"),
        (("release", "--reason", "x" * 2001), "--reason"),
        (("quarantine", "lift", "0", "--reason", "r"), "GENERATION"),
    ],
)
def test_a_slip_is_usage(laurel: Laurel, arguments: tuple[str, ...], said: str) -> None:
    ended = laurel(*arguments)
    assert ended.code == Exit.USAGE
    assert said in in_one_line(ended.err)


def test_a_time_that_is_past_is_refused(laurel: Laurel) -> None:
    ended = laurel("hold", "--reason", "r", "--until", "2020-01-01T00:00Z")
    assert ended.code == Exit.NO
    assert "would be over" in in_one_line(ended.err)
    assert json.loads(laurel("champion", "--json").out)["hold"] is None

"""The oracle is tested too: what it cannot see, it cannot promise."""

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import broken_events, broken_files, broken_ledger, broken_runs
from tests.oracle import good_world as good
from tests.oracle.breaks import ALL, Break
from tests.oracle.check import INVARIANTS, check
from tests.oracle.facts import Commit, Coordinates, Did, Edit, Kind, OutboxRow, Record, Sent
from tests.oracle.good_world import good_world

REGISTERED = (broken_events, broken_files, broken_ledger, broken_runs)  # importing them fills ALL


def test_a_world_in_which_all_promises_are_kept_is_clean() -> None:
    assert check(good_world(), at_rest=True) == []
    assert check(good_world(), at_rest=False) == []


def _each(breaks_: list[Break]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "broken", [pytest.param(one, id=f"{one.invariant}: {one.wrong}") for one in breaks_]
    )


def _found(broken: Break, *, at_rest: bool) -> set[str]:
    return {found.invariant for found in check(broken.how(good_world()), at_rest=at_rest)}


@_each(ALL)
def test_a_broken_world_is_caught_at_rest(broken: Break) -> None:
    assert broken.invariant in _found(broken, at_rest=True)


@_each([one for one in ALL if one.amid_faults])
def test_what_must_always_hold_is_caught_amid_faults(broken: Break) -> None:
    assert broken.invariant in _found(broken, at_rest=False)


@_each([one for one in ALL if not one.amid_faults])
def test_what_recovery_may_still_mend_is_no_violation_amid_faults(broken: Break) -> None:
    assert broken.invariant not in _found(broken, at_rest=False)


def test_every_invariant_has_a_world_that_breaks_it() -> None:
    assert {one.how.__module__ for one in ALL} == {module.__name__ for module in REGISTERED}
    assert len({one.invariant for one in ALL}) == len(INVARIANTS)


def test_a_record_s_repeat_is_answered_for_by_the_first_ones_row() -> None:
    """A duplicate delivery makes no row of its own, and is no loss."""
    world = good_world()
    headers = (("ce_source", b"/s"), ("ce_id", b"7"))
    first = replace(world.sent[0].record, headers=headers)
    again = replace(good.request(6, "{}"), headers=headers)
    sent = (Sent(first, Kind.VALID), *world.sent[1:], Sent(again, Kind.VALID))
    repeated = replace(world, sent=sent, ends={0: 7}, commits=(Commit(0, 7),))
    assert check(repeated, at_rest=True) == []


def test_an_edit_that_the_test_made_is_no_violation_while_no_run_used_it() -> None:
    world, path = good_world(), "/config/splits/v1.yaml"
    edited = replace(world, files={**world.files, path: "d" * 64}, did=Did(edits=[Edit(path)]))
    assert check(edited, at_rest=True) == []


@pytest.mark.parametrize(
    ("generation", "facts", "did"),
    [
        (3, {"cause": "override"}, Did(alias_moves=[1])),
        (7, {"cause": "recovery", "previous_generation": 2}, Did(recoveries=[1])),
    ],
)
def test_what_a_person_did_is_no_violation(generation: int, facts: dict[str, Any], did: Did) -> None:
    """The alias was moved to version 1 and became generation 3; or a person went on above number 6."""
    world = good_world()
    third = good.entry(generation, world.ledger[1], run_id=None, version=1, **facts)
    event = OutboxRow(
        100,
        good.generation_id(generation),
        None,
        "model.promoted",
        good.MODEL,
        {"ce_id": good.generation_id(generation)},
        json.dumps({"generation": generation, "cause": facts["cause"]}),
        sent=True,
    )
    record = good.published(event)
    moved = replace(
        world,
        ledger=(*world.ledger, third),
        outbox=(*world.outbox, event),
        live=(*world.live, record),
        late=(*world.late, record),
        alias=1,
        did=did,
    )
    assert check(moved, at_rest=True) == []


@pytest.mark.parametrize("cause", ["override", "recovery"])
@pytest.mark.parametrize("generation", [1, 2])
def test_a_number_that_was_announced_is_not_used_again(generation: int, cause: str) -> None:
    world, place = good_world(), Coordinates("model.promoted", 0, 900, 9900)
    said = json.dumps({"generation": generation, "cause": cause}).encode()
    again = Record(place, b"price", (("ce_id", b"again"),), said)
    told = check(replace(world, late=(*world.late, again)), at_rest=False)
    assert f"generation {generation} was announced after 2" in {found.message for found in told}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_the_oracle_imports_nothing_of_the_product() -> None:
    """What shares code with the product shares its faults."""
    found = {name for path in Path(__file__).parent.glob("*.py") for name in _imports(path)}
    product = {"domain", "handlers", "service", "config"}
    assert {name for name in found if name.split(".")[0] in product or name.startswith(".")} == set()
    assert {name for name in found if name.startswith("tests")} <= {
        name for name in found if name.startswith("tests.oracle")
    }

"""Worlds whose ledger is wrong, or does not show."""

import json
from dataclasses import replace
from typing import Any

from tests.oracle import good_world as good
from tests.oracle.breaks import breaks
from tests.oracle.facts import Did, LedgerRow, RegisteredVersion, World


def _ledger(world: World, *rows: LedgerRow) -> World:
    return replace(world, ledger=rows)


@breaks("I3", amid_faults=True)
def _generation_missing(world: World) -> World:
    """Generation 1 is gone."""
    return _ledger(world, world.ledger[1])


@breaks("I3", amid_faults=True)
def _chain_broken(world: World) -> World:
    """An entry does not point to the one before."""
    stranger = good.entry(1, None, actor="somebody")
    return _ledger(world, stranger, world.ledger[1])


@breaks("I3", amid_faults=True)
def _content_edited(world: World) -> World:
    """An entry's text was edited, and its hash was not."""
    edited = world.ledger[0].content.replace('"rmsle":0.5', '"rmsle":0.6')
    return _ledger(world, world.ledger[0]._replace(content=edited), world.ledger[1])


@breaks("I3", amid_faults=True)
def _column_edited(world: World) -> World:
    """A column says something else than the sealed text."""
    return _ledger(world, world.ledger[0], world.ledger[1]._replace(version=7))


@breaks("I3", amid_faults=True)
def _not_canonical(world: World) -> World:
    """The sealed text is not canonical, so nobody else would find its hash."""
    text = json.dumps(json.loads(world.ledger[0].content))
    return _ledger(world, world.ledger[0]._replace(content=text), world.ledger[1])


@breaks("I3", amid_faults=True)
def _wrong_predecessor(world: World) -> World:
    """An entry names another version before it."""
    facts = {"candidate_score": good.score(0.4), "champion_score": good.score(0.5), "previous_version": 5}
    return _ledger(world, world.ledger[0], good.entry(2, world.ledger[0], **facts))


@breaks("I3", amid_faults=True)
def _history_rewritten(world: World) -> World:
    """The chain is sound, and is not the one that was seen before."""
    return replace(world, earlier=(_ledger(world, good.entry(1, None, actor="before")),))


def _second(world: World, **facts: Any) -> World:
    return _ledger(world, world.ledger[0], good.entry(2, world.ledger[0], **facts))


@breaks("I3", amid_faults=True)
def _worse(world: World) -> World:
    """A worse model was promoted."""
    return _second(world, candidate_score=good.score(0.6), champion_score=good.score(0.5))


@breaks("I3", amid_faults=True)
def _equal(world: World) -> World:
    """An equal model was promoted."""
    return _second(world, candidate_score=good.score(0.5), champion_score=good.score(0.5))


@breaks("I3", amid_faults=True)
def _unjudged(world: World) -> World:
    """There was a champion, and it was not judged."""
    return _second(world, candidate_score=good.score(0.4), champion_score=None)


@breaks("I3", amid_faults=True)
def _other_bytes(world: World) -> World:
    """The two were scored on different bytes."""
    return _second(world, candidate_score=good.score(0.4), champion_score=good.score(0.5, "c" * 64))


@breaks("I3", amid_faults=True)
def _no_number(world: World) -> World:
    """A first champion without a number was promoted."""
    first = good.entry(1, None, candidate_score={"metrics": {}, "dataset_digest": "a" * 64, "rows": 1})
    return _ledger(world, first)


@breaks("I3", amid_faults=True)
def _champion_without_number(world: World) -> World:
    """The champion had no number, and lost."""
    unscored = {"metrics": {}, "dataset_digest": good.REFERENCE, "rows": 1}
    return _second(world, candidate_score=good.score(0.4), champion_score=unscored)


@breaks("I3", amid_faults=True)
def _first_against_another(world: World) -> World:
    """The first entry was judged against a champion that the ledger does not know."""
    return _ledger(world, good.entry(1, None, champion_score=good.score(0.9)))


@breaks("I3", amid_faults=True)
def _override_by_nobody(world: World) -> World:
    """An override was recorded that no person made."""
    return _second(world, cause="override", run_id=None)


@breaks("I3", amid_faults=True)
def _rollback_by_nobody(world: World) -> World:
    """A rollback was recorded that nobody asked for."""
    return _second(world, cause="rollback", run_id=None)


@breaks("I3", amid_faults=True)
def _repair_by_nobody(world: World) -> World:
    """A repair was recorded that nobody asked for."""
    return _second(world, cause="repair", run_id=None)


@breaks("I3", amid_faults=True)
def _repair_of_another_run(world: World) -> World:
    """A repair put another run's model into the place of the champion."""
    changed = _second(world, cause="repair", run_id=None)
    return replace(changed, did=Did(repairs=[2]))


@breaks("I3", amid_faults=True)
def _recovery_by_nobody(world: World) -> World:
    """A recovery was recorded that nobody accepted."""
    return _second(world, cause="recovery", run_id=None, previous_generation=1)


@breaks("I3", amid_faults=True)
def _recovery_without_what_was_before(world: World) -> World:
    """A recovery leaves numbers out and does not say after which."""
    changed = _ledger(world, *world.ledger, good.entry(9, world.ledger[1], cause="recovery", run_id=None))
    return replace(changed, did=Did(recoveries=[9]))


@breaks("I3", amid_faults=True)
def _gap_of_another_cause(world: World) -> World:
    """Numbers were left out by something else than a recovery."""
    third = good.entry(9, world.ledger[1], cause="rollback", run_id=None)
    return replace(_ledger(world, *world.ledger, third), did=Did(rollbacks=[9]))


@breaks("I3", amid_faults=True)
def _adopted_late(world: World) -> World:
    """A version was adopted although the ledger had a head."""
    changed = _second(world, cause="adopted", run_id=None)
    return replace(changed, did=Did(alias_moves=[2]))


@breaks("I3", amid_faults=False)
def _silent_override(world: World) -> World:
    """A person moved the alias, and the ledger does not say so."""
    return replace(world, did=Did(alias_moves=[1]))


@breaks("I3", amid_faults=False)
def _forged_score(world: World) -> World:
    """Our own score of the champion is not the one that it was judged by."""
    return replace(world, rescored={(1, good.REFERENCE): {"rmsle": 0.3}})


@breaks("I4", amid_faults=False)
def _alias_behind(world: World) -> World:
    """The alias shows an older version."""
    return replace(world, alias=1)


@breaks("I4", amid_faults=False)
def _head_has_no_model(world: World) -> World:
    """The champion's artifacts are gone."""
    return replace(world, versions=(world.versions[0], RegisteredVersion(2, "m2", {}, frozenset())))


@breaks("I4", amid_faults=False)
def _defaults_behind(world: World) -> World:
    """The defaults are not the champion's."""
    other = good.ACTIVE.replace(b"model_version: 1", b"model_version: 2")
    return replace(world, active=(other, other))


@breaks("I4", amid_faults=False)
def _unsent(world: World) -> World:
    """An outbox row was never sent."""
    return replace(world, outbox=(*world.outbox[:-1], replace(world.outbox[-1], sent=False)))


@breaks("I4", amid_faults=False)
def _lag(world: World) -> World:
    """A record was not read."""
    return replace(world, ends={0: 7})

"""What every PromotionLedger promises."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from domain.announcement import Announcement, diverged, reloaded
from domain.convergence import Replica, ReplicaObservation, Served
from domain.errors import GenerationTaken, IllegalTransition, NeverRetry
from domain.ledger import Cause, LedgerEntry, recovery_entry
from domain.metrics import Score
from domain.promotion_checks import PromotionPolicy
from domain.values import VersionTriple
from service.rollout.convergence_status import wanted_by
from tests.contract.stores import LONG, OnFakes, OnPostgres, Stores, following, promoted

DIGEST = "d" * 64


class LedgerContract:
    async def test_a_model_that_was_never_promoted_has_no_head(self, stores: Stores, model: str) -> None:
        assert await stores.ledger.head(model) is None
        assert list(await stores.ledger.entries(model)) == []

    async def test_the_head_is_the_newest_entry(self, stores: Stores, others: Stores, model: str) -> None:
        first = following(None, model)
        await stores.ledger.append(first)
        assert await others.ledger.head(model) == first
        second = following(first, model, version=2)
        await others.ledger.append(second)
        assert await stores.ledger.head(model) == second
        assert list(await stores.ledger.entries(model)) == [first, second]
        assert list(await stores.ledger.last(model)) == [first, second]
        assert list(await stores.ledger.last(model, 1)) == [second]
        assert [await stores.ledger.entry(model, number) for number in (1, 2, 3)] == [first, second, None]
        assert [await stores.ledger.of_version(model, number) for number in (1, 2, 3)] == [
            first,
            second,
            None,
        ]

    async def test_an_entry_keeps_every_word_and_so_its_hash(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        score = Score(metrics={"rmsle": 0.1 + 0.2, "r2": -1e-12}, dataset_digest=DIGEST, rows=3)
        entry = following(
            None,
            model,
            cause=Cause.GATE,
            run_id="run",
            mlflow_run_id="mlflow",
            triple=VersionTriple(split_version=1, feature_version=2, model_version=3),
            candidate_score=score,
            policy=PromotionPolicy(minimum_effect=1e-3),
            reasons=("gain +0.1", 'a NUL \x00, a quote " and an é 𐍈', "\\u0000"),
            at=datetime(2026, 7, 1, 12, 30, tzinfo=timezone(timedelta(hours=2))),
        )
        await stores.ledger.append(entry)
        read = await others.ledger.head(model)
        assert read == entry
        assert read.hash == entry.hash

    async def test_rollbacks_are_counted_and_no_other_cause(self, stores: Stores, model: str) -> None:
        first = following(None, model, cause=Cause.GATE, run_id="run")
        await stores.ledger.append(first)
        assert await stores.ledger.rollbacks(model) == 0
        await stores.ledger.append(following(first, model))
        assert await stores.ledger.rollbacks(model) == 1
        assert await stores.ledger.rollbacks(f"{model}-another") == 0

    async def test_whoever_waits_for_an_entry_hears_of_one_from_another_process(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        entry = following(None, model)

        async def heard() -> None:
            while await stores.ledger.head(model) != entry:
                await stores.ledger.wait_for_entry()

        waiting = asyncio.create_task(heard())
        await others.ledger.append(entry)
        async with asyncio.timeout(LONG):
            await waiting

    async def test_of_two_promoters_the_second_is_refused(self, stores: Stores, model: str) -> None:
        first = following(None, model, version=7)
        await stores.ledger.append(first)
        with pytest.raises(GenerationTaken):
            await stores.ledger.append(following(None, model, version=8))
        assert await stores.ledger.head(model) == first

    async def test_the_very_same_entry_again_is_no_other_promoter(self, stores: Stores, model: str) -> None:
        """The answer to the first may have been lost."""
        entry = following(None, model)
        for _ in range(2):
            await stores.ledger.append(entry)
        assert list(await stores.ledger.entries(model)) == [entry]

    async def test_an_entry_that_does_not_follow_the_head_is_refused(
        self, stores: Stores, model: str
    ) -> None:
        first = following(None, model)
        second = following(first, model)
        with pytest.raises(NeverRetry) as gap:
            await stores.ledger.append(second)
        await stores.ledger.append(first)
        forged = second.model_copy(update={"previous_hash": "f" * 64})
        with pytest.raises(NeverRetry) as wrong_hash:
            await stores.ledger.append(forged)
        assert {gap.value.reason, wrong_hash.value.reason} == {"ledger_broken"}
        assert list(await stores.ledger.entries(model)) == [first]

    async def test_each_model_has_a_chain_of_its_own(self, stores: Stores, model: str) -> None:
        another = f"{model}, another"
        for name in (model, another):
            await stores.ledger.append(following(None, name))
        head = await stores.ledger.head(another)
        assert head is not None
        assert (head.model_name, head.generation) == (another, 1)

    @pytest.mark.parametrize("promoters", [2, 3, 5, 8])
    async def test_however_many_promote_at_once_the_ledger_is_a_chain(
        self, stores: Stores, others: Stores, model: str, promoters: int
    ) -> None:
        rounds = 5

        async def promote(process: Stores, version: int) -> None:
            while True:
                entry = following(await process.ledger.head(model), model, version=version)
                try:
                    return await process.ledger.append(entry)
                except GenerationTaken:
                    continue

        for turn in range(rounds):
            versions = range(turn * promoters + 1, (turn + 1) * promoters + 1)
            await asyncio.gather(*(promote((stores, others)[v % 2], v) for v in versions))
        entries = await stores.ledger.entries(model)
        assert [entry.generation for entry in entries] == list(range(1, rounds * promoters + 1))
        assert sorted(entry.version for entry in entries) == list(range(1, rounds * promoters + 1))
        assert await stores.ledger.first_broken_generation(model) is None

    async def test_only_a_recovery_leaves_numbers_out(self, stores: Stores, model: str) -> None:
        first = following(None, model)
        await stores.ledger.append(first)
        with pytest.raises(NeverRetry):
            await stores.ledger.append(
                first.model_copy(update={"generation": 8, "previous_hash": first.hash})
            )
        recovery = recovered(model, first, 7)
        await stores.ledger.append(recovery)
        after = following(recovery, model, version=3)
        await stores.ledger.append(after)
        entries = await stores.ledger.entries(model)
        assert [entry.generation for entry in entries] == [1, 8, 9]
        assert (recovery.previous_generation, await stores.ledger.highest(model)) == (1, 9)
        assert await stores.ledger.first_broken_generation(model) is None

    async def test_a_recovery_can_be_the_first_entry(self, stores: Stores, model: str) -> None:
        await stores.ledger.append(recovered(model, None, 5))
        assert [entry.generation for entry in await stores.ledger.entries(model)] == [6]
        assert await stores.ledger.first_broken_generation(model) is None

    async def test_of_two_recoveries_one_goes_on(self, stores: Stores, others: Stores, model: str) -> None:
        first = following(None, model)
        await stores.ledger.append(first)
        tried = [
            process.ledger.append(recovered(model, first, highest))
            for process, highest in ((stores, 7), (others, 9))
        ]
        done = await asyncio.gather(*tried, return_exceptions=True)
        assert [type(one) for one in done if one is not None] == [GenerationTaken]
        assert len(await stores.ledger.entries(model)) == 2

    async def test_a_recovery_of_a_head_that_moved_is_taken(self, stores: Stores, model: str) -> None:
        first = following(None, model)
        for entry in (first, following(first, model, version=2)):
            await stores.ledger.append(entry)
        with pytest.raises(GenerationTaken):
            await stores.ledger.append(recovered(model, first, 7))

    async def test_the_ledgers_id_is_the_same_for_everybody(self, stores: Stores, others: Stores) -> None:
        assert await stores.ledger.identity() == await others.ledger.identity() != ""


def recovered(model: str, head: LedgerEntry | None, highest: int) -> LedgerEntry:
    """A person goes on above `highest`."""
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return recovery_entry(
        model, head, highest=highest, version=2, reasons=("a restore",), actor="a test", at=at
    )


class AnnouncingContract:
    async def test_what_follows_a_recovery_is_announced_in_its_turn(self, stores: Stores, model: str) -> None:
        first = following(None, model)
        recovery = recovered(model, first, 7)
        for entry in (first, recovery):
            await stores.ledger.append(entry)
        with pytest.raises(IllegalTransition):
            await stores.ledger.announce(recovery, promoted(recovery))
        for entry in (first, recovery):
            await stores.ledger.announce(entry, promoted(entry))
        assert list(await stores.ledger.unannounced(model)) == []

    async def test_generations_are_unannounced_until_they_are_in_the_outbox(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        first, second = await self._two_generations(stores, model)
        assert list(await others.ledger.unannounced(model)) == [first, second]
        await stores.ledger.announce(first, promoted(first))
        assert list(await others.ledger.unannounced(model)) == [second]
        await others.ledger.announce(second, promoted(second))
        assert list(await stores.ledger.unannounced(model)) == []
        rows = await stores.outbox.unsent(10)
        assert [(row.announcement, row.run_id) for row in rows] == [
            (promoted(first), first.run_id),
            (promoted(second), None),
        ]

    async def test_a_generation_that_was_sent_stays_announced(self, stores: Stores, model: str) -> None:
        first, second = await self._two_generations(stores, model)
        await stores.ledger.announce(first, promoted(first))
        await stores.outbox.mark_sent([row.seq for row in await stores.outbox.unsent(10)])
        assert list(await stores.ledger.unannounced(model)) == [second]
        await stores.ledger.announce(first, promoted(first))
        assert await stores.outbox.unsent(10) == []

    async def test_a_generation_is_not_announced_before_the_one_before_it(
        self, stores: Stores, model: str
    ) -> None:
        _, second = await self._two_generations(stores, model)
        with pytest.raises(IllegalTransition):
            await stores.ledger.announce(second, promoted(second))
        assert await stores.outbox.unsent(10) == []

    async def test_what_was_said_of_replicas_is_found_by_the_generation(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        first, second = await self._two_generations(stores, model)
        await stores.ledger.announce(first, promoted(first))
        said = [_report(first, "http://a"), _report(first, "http://b", serves=False)]
        for report in said:
            await stores.outbox.add(report)
        await stores.ledger.announce(second, promoted(second))
        await others.outbox.add(_report(second, "http://a"))
        assert list(await others.ledger.replica_reports(model, 1)) == said
        assert len(await others.ledger.replica_reports(model, 2)) == 1
        assert list(await others.ledger.replica_reports(model, 3)) == []
        assert list(await others.ledger.replica_reports(f"{model}-another", 1)) == []

    async def test_projectors_side_by_side_announce_each_generation_once_and_in_order(
        self, stores: Stores, others: Stores, model: str
    ) -> None:
        entries: list[LedgerEntry] = []
        for version in range(1, 11):
            entries.append(following(entries[-1] if entries else None, model, version=version))
            await stores.ledger.append(entries[-1])

        async def announce_all(process: Stores) -> None:
            for entry in await process.ledger.unannounced(model):
                await process.ledger.announce(entry, promoted(entry))

        await asyncio.gather(*(announce_all(process) for process in (stores, others) for _ in range(4)))
        told = [row.announcement for row in await stores.outbox.unsent(100)]
        assert told == [promoted(entry) for entry in entries]

    async def _two_generations(self, stores: Stores, model: str) -> tuple[LedgerEntry, LedgerEntry]:
        first = following(None, model, cause=Cause.GATE, run_id="run", at=datetime.now(UTC))
        second = following(first, model, version=2)
        for entry in (first, second):
            await stores.ledger.append(entry)
        return first, second


def _report(entry: LedgerEntry, url: str, *, serves: bool = True) -> Announcement:
    """What a listener says of a replica."""
    served = Served(version=entry.version, generation=entry.generation)
    wanted = wanted_by(entry)
    said: dict[str, Any] = {"at": entry.at, "listener": "tests"}
    if serves:
        return reloaded(entry.model_name, Replica(url=url), wanted, served, **said)
    return diverged(entry.model_name, Replica(url=url), wanted, ReplicaObservation(), **said)


class TestFakeLedger(OnFakes, LedgerContract):
    """In memory."""


class TestPostgresLedger(OnPostgres, LedgerContract):
    """On PostgreSQL."""


class TestFakeAnnouncing(OnFakes, AnnouncingContract):
    """In memory."""


class TestPostgresAnnouncing(OnPostgres, AnnouncingContract):
    """On PostgreSQL."""

"""Everybody is told once: whatever comes twice, whoever dies, and from where a group begins."""

from domain.lifecycle import Outcome
from domain.notice_subjects import SUBJECTS
from tests.contract.stores import WAY_TO_EVALUATED, Stores, brought_to, claim, on_postgres, request
from tests.harm.proxies import FaultProxy, refuse
from tests.harm.wire_formats import Postgres
from tests.integration.notices.conftest import MakeWebhook
from tests.kit.alert_rules import unheard
from tests.kit.eventually import eventually
from tests.kit.told_events import told_announcement
from tests.worlds.notices import NoticeWorld

_TYPES = ["success", *("failure",) * 3, *("warning",) * 4, *("info",) * 3]


async def test_each_subject_reaches_each_channel_once_however_often_it_comes(
    world: NoticeWorld, webhook: MakeWebhook
) -> None:
    world.webhooks = hooks = [await webhook(), await webhook()]
    async with world.notifier() as notifier:
        assert unheard(notifier.metrics.render().decode()) == []
        for subject in SUBJECTS:
            await world.announce(subject, f"id {subject}")
        await notifier.has_taken(len(SUBJECTS))
        for subject in SUBJECTS:
            await world.announce(subject, f"id {subject}")
        await notifier.has_taken(2 * len(SUBJECTS))
    await world.rewind()
    async with world.notifier() as notifier:
        await notifier.has_taken(2 * len(SUBJECTS))
    for hook in hooks:
        assert len(hook.heard) == len(SUBJECTS)
        assert sorted(message["type"] for message in hook.heard) == sorted(_TYPES)
        assert all(title.startswith(world.model) for title in hook.titles)
    promoted = next(message for message in hooks[0].heard if message["type"] == "success")
    assert "gain +0.01" in promoted["message"]


async def test_the_third_inconclusive_verdict_in_a_row_is_told_of_once_across_restarts(
    world: NoticeWorld, webhook: MakeWebhook
) -> None:
    """A run without a verdict ends no row, and another model's are its own."""
    world.webhooks = [hook] = [await webhook()]
    async with on_postgres(world.url, world.model) as stores, on_postgres(world.url, "theirs") as theirs:
        await judged(theirs, "theirs", "INCONCLUSIVE")
        runs = [await judged(stores, world.model, "INCONCLUSIVE") for _ in range(2)]
        await stores.runs.add(request(world.model))
        await stores.runs.advance(await claim(stores, world.model), Outcome.REFUSED)
        runs += [await judged(stores, world.model, "INCONCLUSIVE") for _ in range(2)]
    for _ in range(2):
        async with world.notifier() as notifier:
            for run_id in runs:
                await world.announce("declined", run_id, run_id=run_id, decision="INCONCLUSIVE")
            await notifier.has_taken(len(runs))
    further = [message for message in hook.heard if "3 verdicts in a row" in message["title"]]
    assert (len(hook.heard), len(further)) == (len(runs) + 1, 1)
    assert f"laurel show {runs[2]}" in further[0]["message"]
    assert further[0]["type"] == "warning"


async def judged(stores: Stores, model: str, decision: str) -> str:
    """A run that ended with this verdict."""
    await stores.runs.add(request(model))
    run = await brought_to(stores, await claim(stores, model), *WAY_TO_EVALUATED)
    verdict = {"decision": decision, "reasons": ["no"], "checks": []}
    ended = await stores.runs.advance(run, Outcome.LOST, output={"verdict": verdict, "champion": {}})
    return ended.run_id


async def test_two_notifiers_tell_no_more_than_one(world: NoticeWorld, webhook: MakeWebhook) -> None:
    world.webhooks = [hook] = [await webhook()]
    ids = [f"event {number}" for number in range(12)]
    async with world.notifier() as one, world.notifier(WORKER__ID="two") as two:
        for event_id in ids + ids:
            await world.announce("failed", event_id, step=event_id)
            await world.announce("rejected", event_id + " r", reason=event_id)

        def taken() -> bool:
            counts = [each.counted("laurel_records_total", 'outcome="told"') for each in (one, two)]
            return sum(counts) >= 4 * len(ids)

        await eventually(taken)
    assert len(hook.titles) == len(set(hook.titles)) == 2 * len(ids)


async def test_a_new_group_begins_now_and_misses_nothing_while_nobody_is_there(
    world: NoticeWorld, webhook: MakeWebhook
) -> None:
    world.webhooks = [hook] = [await webhook()]
    await world.announce("failed", "long ago", step="long ago")
    async with world.notifier() as notifier:
        await world.announce("failed", "first", step="first")
        await notifier.has_taken(1)
    await world.announce("failed", "meanwhile", step="meanwhile")
    async with world.notifier() as notifier:
        await world.announce("failed", "now", step="now")
        await notifier.has_taken(2)
    told = [title.partition("step ")[2].partition(" failed")[0] for title in hook.titles]
    assert told == ["first", "meanwhile", "now"]


async def test_another_models_events_and_what_is_no_event_are_passed_over(
    world: NoticeWorld, webhook: MakeWebhook
) -> None:
    world.webhooks = [hook] = [await webhook()]
    other = NoticeWorld(world.folder, world.bootstrap, world.url, world.publisher)
    async with world.notifier(NOTIFIER__SUBJECTS="failed") as notifier:
        await other.announce("failed", "another's")
        strange = told_announcement("failed", world.model, "strange").model_copy(update={"body": "nonsense"})
        await world.publisher.publish(strange)
        await world.announce("promoted", "not to be told")
        await world.announce("failed", "ours")
        await notifier.has_taken(1)
    assert len(hook.heard) == 1


async def test_while_postgres_is_away_nobody_is_told_and_nothing_is_lost(
    world: NoticeWorld, webhook: MakeWebhook
) -> None:
    world.webhooks = [hook] = [await webhook()]
    port = int(world.url.rpartition(":")[2].partition("/")[0])
    async with FaultProxy(port, Postgres()) as proxy:
        world.more["DATABASE_URL"] = world.url.replace(f":{port}/", f":{proxy.port}/")
        async with world.notifier() as notifier:
            await world.announce("failed", "event 1")
            await notifier.has_taken(1)
            proxy.add(refuse())
            await proxy.cut_connections()
            await world.announce("failed", "event 2")
            await eventually(lambda: notifier.counted("laurel_record_waits_total"))
            assert len(hook.heard) == 1
            proxy.clear()
            await notifier.has_taken(2)
    assert len(hook.heard) == 2

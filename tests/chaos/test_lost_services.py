"""A service is lost in the middle of a person's decision: what is said is true, and nothing is done twice.

Its cost: two worlds with three registered models each, and seconds in which PostgreSQL is waited for.
`make soak` loses each service at each point.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import pytest

from domain.errors import TryLater
from domain.points import Point, Points
from service.cli.acting import REPEAT
from service.cli.console import Exit
from service.lifecycle import workbench
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.worker_parts import reconciler_in
from service.promotion import quarantining
from service.promotion.quarantining import Lifting
from tests.chaos.person import CASES, LOST, PROMOTING, Case, announced, assert_whole, decide, entries_of
from tests.harm.proxies import FaultProxy
from tests.harm.wire_formats import Http, Kafka
from tests.integration.postgres_admin import proxied
from tests.kit.settings_of import settings_of
from tests.unit.cli.calls import Laurel
from tests.worlds.reigns import opened


class CutAt(Points):
    """Cuts a service off at a point."""

    def __init__(self, point: Point, proxy: FaultProxy) -> None:
        self._point = point
        self._proxy = proxy

    async def at(self, point: Point) -> None:
        if point is self._point:
            await self._proxy.close_door()


class Loss(NamedTuple):
    """A service that will be lost, the proxy before it, and the environment of who goes through that."""

    service: str
    proxy: FaultProxy
    through: dict[str, str]

    def makes(self, case: Case) -> bool:
        """True for a decision that is made all the same: PostgreSQL alone keeps it."""
        return self.service != "postgres" or case.is_made

    def shows(self, case: Case) -> bool:
        """True where nobody misses the service after that: Kafka hears of it from the outbox."""
        return self.makes(case) and (self.service == "kafka" or case.command not in PROMOTING)


@asynccontextmanager
async def before(service: str, environment: dict[str, str]) -> AsyncIterator[Loss]:
    """A proxy before a service."""
    if service == "postgres":
        async with proxied(environment["DATABASE_URL"]) as (proxy, url):
            yield Loss(service, proxy, environment | {"DATABASE_URL": url})
    elif service == "kafka":  # each look at the topic begins at this address
        host, _, port = environment["KAFKA_BOOTSTRAP_SERVERS"].rpartition(":")
        async with FaultProxy(int(port), Kafka(), target_host=host) as proxy:
            yield Loss(service, proxy, environment | {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{proxy.port}"})
    else:
        address = urlsplit(environment["MLFLOW_TRACKING_URI"])
        async with FaultProxy(address.port or 0, Http(address.netloc)) as proxy:
            yield Loss(service, proxy, environment | {"MLFLOW_TRACKING_URI": proxy.url})


@pytest.mark.parametrize(
    "services",
    [("mlflow", "postgres"), pytest.param(("kafka", "mlflow", "postgres"), marks=pytest.mark.soak)],
)
async def test_a_service_that_is_lost_in_the_middle_of_a_decision_gets_it_when_it_is_back(
    environment: dict[str, str], services: Sequence[str]
) -> None:
    """MLflow, which shows it, Kafka, which hears it from the outbox, and PostgreSQL, which keeps it."""
    async with opened(environment) as world:
        for turn, service in enumerate(services):
            async with before(service, environment) as loss:
                for case in [*lost(turn), *(CASES[:4] if service == "postgres" else ())]:
                    was, key = len(await entries_of(world)), f"{service} {case.command} {case.point}"
                    await _lose(world, environment, loss, case, key)
                    if service == "mlflow":
                        await reconciler_in(world, world.projector(), 0).look()
                        await assert_whole(world, environment)
                    assert await decide(world, settings_of(environment), case.command, case.about, key) == ""
                    await assert_whole(world, environment)
                    made = len(await entries_of(world)) - was
                    assert made == (case.command in PROMOTING), "once, with its repeat"
        assert [one.version for one in await entries_of(world)] == [1, 2, 3, *[2, 1, 2, 3] * len(services)]


def lost(turn: int) -> list[Case]:
    """The cases of a turn: each has what it rolls back to, and what it lifts, from the turn before."""
    return [
        case if case.command == "promote" else case._replace(about=case.about + 4 * turn) for case in LOST
    ]


async def _lose(world: RunPorts, environment: Mapping[str, str], loss: Loss, case: Case, key: str) -> None:
    """Decide, and lose the service at the case's point: what is said is what ledger and outbox hold."""
    was, told = await entries_of(world), announced(environment)
    settings, unshown = settings_of(loss.through), ""
    refused: str | None = None
    try:
        async with opened(loss.through) as cut_off:
            ports = replace(cut_off, points=CutAt(case.point, loss.proxy))
            unshown = await decide(ports, settings, case.command, case.about, key)
    except TryLater as error:
        refused = error.waiting_on
    await loss.proxy.open_door()
    assert refused == (None if loss.makes(case) else loss.service), case
    assert bool(unshown) == (loss.makes(case) and not loss.shows(case)), (case, unshown)
    made = await entries_of(world)
    assert len(made) - len(was) == (loss.makes(case) and case.command in PROMOTING), case
    if case.command not in PROMOTING:
        assert (announced(environment) != told) == loss.makes(case), case


class CutFromAnotherLoop(CutAt):
    """Cuts it off for a command that runs in a thread, with a loop of its own."""

    def __init__(self, point: Point, proxy: FaultProxy) -> None:
        super().__init__(point, proxy)
        self._loop = asyncio.get_running_loop()

    async def at(self, point: Point) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(super().at(point), self._loop))


AGAIN: Final = {
    "rollback": "there is nothing to roll back",
    "promote": "is the champion already",
    "lift": "is not quarantined",
}


@pytest.mark.parametrize(
    ("service", "cases"),
    [
        ("postgres", 4),
        *(pytest.param(one, 6, marks=pytest.mark.soak) for one in ("postgres", "mlflow", "kafka")),
    ],
)
async def test_a_person_reads_whether_it_is_made_and_may_say_it_again(
    environment: dict[str, str],
    service: str,
    cases: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The sentences and exit codes of the command line, whose every call has another key."""
    async with opened(environment) as world, before(service, environment) as loss:
        cut_off = Laurel(capsys, loss.through)
        for case in lost(0)[:cases]:
            was, words = len(await entries_of(world)), _words(case)
            cut = CutFromAnotherLoop(case.point, loss.proxy)
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(workbench, "NO_POINTS", cut)
                patched.setattr(quarantining, "Lifting", partial(Lifting, points=cut))
                said = await asyncio.to_thread(cut_off, *words)
            await loss.proxy.open_door()
            made = len(await entries_of(world)) - was
            assert made == (loss.makes(case) and case.command in PROMOTING), (case, said)
            assert said.code == (Exit.DONE if loss.shows(case) else Exit.AWAY), (case, said)
            expected = f"generation {was + 1} is made, and a worker moves the alias to it" if made else REPEAT
            assert (expected in said.err) == (said.code == Exit.AWAY), (case, said)
            again = await asyncio.to_thread(cut_off, *words)
            assert again.code == (Exit.NO if loss.makes(case) else Exit.DONE), (case, again)
            assert (AGAIN[case.command] in again.err) == loss.makes(case), (case, again)
            await reconciler_in(world, world.projector(), 0).look()
            await assert_whole(world, environment)
            assert len(await entries_of(world)) - was == (case.command in PROMOTING), case


def _words(case: Case) -> list[str]:
    why = ["--reason", "predictions far too high"]
    if case.command == "rollback":
        return ["rollback", "--to", str(case.about), *why]
    return [*(("quarantine",) if case.command == "lift" else ()), case.command, str(case.about), *why]

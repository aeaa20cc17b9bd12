"""`laurel rollback` and `laurel promote` on the real registry, ledger and topic.

20 s: each test has three generations of its own, made and shown.

Its cost: registered models for each case: a dozen calls to MLflow each.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from domain.decisions import CannotDecide
from domain.ledger import Cause
from domain.rollback import returned_to
from service.cli.console import Exit
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.workbench import rollback_in
from service.promotion.rollback import RollbackOrder
from tests.harm.proxies import FaultProxy, lost, slow
from tests.harm.wire_formats import Http, http
from tests.kit.settings_of import settings_of
from tests.unit.cli.calls import Laurel
from tests.worlds.deciding import meanwhile
from tests.worlds.registered_models import open_shelf, small_package
from tests.worlds.reigns import SERVERS, alias_of, ledger_of, opened, reign, won
from tests.worlds.servers import MlflowServer

WHY = "predictions far too high"
PAGE = Path(__file__).parents[3] / "docs" / "roll-back.md"
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """Four models."""
    folder = tmp_path_factory.mktemp("packages")
    return [small_package(folder, seed=seed) for seed in (3, 4, 5, 6)]


@pytest.fixture
def reigned(
    environment: dict[str, str], tmp_path: Path, packages: list[dict[str, bytes]], mlflow_server: MlflowServer
) -> None:
    """The model's third generation is champion; all servers have served all three."""
    asyncio.run(reign(environment, tmp_path / "scratch", packages[:3], mlflow_server.artifacts))


@pytest.fixture
def world(environment: dict[str, str], reigned: None) -> dict[str, str]:
    """The environment of that model, with its servers."""
    del reigned
    environment["INFERENCE_API_URL"] = f'["{SERVERS[0]}", "{SERVERS[1]}"]'
    return environment


def causes(world: dict[str, str]) -> list[Cause]:
    return [entry.cause for entry in asyncio.run(ledger_of(world))][3:]


def test_the_screen_of_the_page_is_what_one_sees(laurel: Laurel, world: dict[str, str]) -> None:
    """The commands of docs/roll-back.md, as they stand there."""
    page = PAGE.read_text(encoding="utf-8")
    shown = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    dry = laurel("rollback", "--reason", WHY, "--dry-run")
    assert causes(world) == []
    done = laurel("rollback", "--reason", WHY)
    assert (dry.code, done.code, done.err.count("\n")) == (Exit.DONE, Exit.DONE, 1)  # its line of the log
    assert MOMENT.sub("", done.out) == MOMENT.sub("", shown[1])
    assert dry.out.splitlines()[:2] == done.out.splitlines()[:2]
    assert dry.out.endswith("nothing was changed; without --dry-run this becomes generation 4\n")
    assert asyncio.run(alias_of(world)) == 2
    promoted = laurel("promote", 3, "--reason", "again")
    assert (promoted.code, "laurel quarantine lift 3" in promoted.err) == (Exit.NO, True)
    again = laurel("rollback", "--reason", WHY)
    assert (again.code, causes(world)) == (Exit.NO, [Cause.ROLLBACK])
    assert "generation 4 is a rollback already, to version 2" in again.err


def test_programs_are_told_the_same_and_who_decided_is_kept(laurel: Laurel, world: dict[str, str]) -> None:
    dry = laurel("rollback", "--to", 1, "--reason", WHY, "--dry-run", "--json").json
    done = laurel("rollback", "--to", 1, "--reason", WHY, "--by", "Ada", "--json").json
    assert (dry["dry_run"], dry["generation"], dry["returns_to"], dry["left"]) == (True, 4, 1, [2, 3])
    assert (done["dry_run"], done["generation"], done["version"], done["previous_version"]) == (
        False,
        4,
        1,
        3,
    )
    assert (done["reason"], done["unchecked"], done["not_shown_yet"]) == (WHY, None, None)
    assert re.fullmatch(r"Ada \(command line of \S+@\S+, not proven\)", done["actor"])
    [_, _, _, told] = laurel("champion", "--json").json["generations"]
    assert (told["cause"], told["returns_to"], told["reason"]) == ("rollback", 1, WHY)
    assert causes(world) == [Cause.ROLLBACK]
    usage = laurel("rollback", "--reason", "  ")
    assert (usage.code, "nothing was changed" in usage.err) == (Exit.USAGE, True)


def test_a_generation_whose_version_or_files_are_gone_is_passed_over_and_named(
    laurel: Laurel, world: dict[str, str]
) -> None:
    gone = {"name": world["MLFLOW_MODEL_NAME"], "version": "2"}
    address = f"{world['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/model-versions/delete"
    httpx.request("DELETE", address, json=gone).raise_for_status()
    named = laurel("rollback", "--to", 2, "--reason", WHY)
    assert (named.code, causes(world)) == (Exit.NO, [])
    assert "the registry does not hold its version any more; the newest that can is generation 1" in named.err
    dry = laurel("rollback", "--reason", WHY, "--dry-run").out.splitlines()
    assert dry[1] == "past generation 2, version 2: the registry does not hold its version any more"
    assert dry[2].startswith("back to generation 1: version 1")


def test_while_mlflow_is_down_the_entry_is_made_and_it_follows_when_mlflow_is_back(
    laurel: Laurel, world: dict[str, str]
) -> None:
    away = laurel("rollback", "--reason", WHY, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert away.code == Exit.AWAY
    assert "MLflow was not asked whether it holds that version" in away.out
    assert "generation 4 is made, and a worker moves the alias to it when that is possible" in away.err
    assert (causes(world), asyncio.run(alias_of(world))) == ([Cause.ROLLBACK], 3)

    async def look() -> None:
        async with opened(world) as ports:
            await ports.projector().show()

    asyncio.run(look())
    assert asyncio.run(alias_of(world)) == 2


def test_a_version_is_promoted_by_a_person_and_a_declined_choice_changes_nothing(
    laurel: Laurel, world: dict[str, str]
) -> None:
    done = laurel("promote", 1, "--reason", "as agreed", "--json")
    assert (done.code, done.json["generation"], done.json["version"]) == (Exit.DONE, 4, 1)
    assert (done.json["reason"], done.json["gate_said"]) == ("as agreed", "no gate has judged it")
    assert (causes(world), asyncio.run(alias_of(world))) == ([Cause.OVERRIDE], 1)
    assert laurel("promote", 1, "--reason", "again").code == Exit.NO
    assert laurel("promote", 77, "--reason", "none").code == Exit.NO
    assert laurel("promote", "no-such-run", "--reason", "none").code == Exit.NOT_FOUND


def order(key: str, to: int | None = None) -> RollbackOrder:
    return RollbackOrder(to, WHY, key, key)


@pytest.mark.usefixtures("reigned")
async def test_of_two_rollbacks_at_once_one_makes_the_entry_and_the_other_is_told(
    environment: dict[str, str],
) -> None:
    async with opened(environment, "one") as one, opened(environment, "other") as other:
        settings = settings_of(environment)
        ended = await asyncio.gather(
            *(rollback_in(ports, settings).roll_back(order(ports.worker)) for ports in (one, other)),
            return_exceptions=True,
        )
    told = [one for one in ended if isinstance(one, CannotDecide)]
    assert len(told) == 1
    assert told[0].reason in {"overtaken", "rolled_back_already"}
    entries = await ledger_of(environment)
    assert [(entry.cause, entry.version) for entry in entries[3:]] == [(Cause.ROLLBACK, 2)]
    assert await alias_of(environment) == 2


@pytest.mark.usefixtures("reigned")
async def test_one_key_at_once_is_one_rollback(environment: dict[str, str]) -> None:
    async with opened(environment, "one") as one, opened(environment, "other") as other:
        settings = settings_of(environment)
        done = await asyncio.gather(
            *(rollback_in(ports, settings).roll_back(order("key")) for ports in (one, other))
        )
    assert done[0].entry == done[1].entry
    assert len(await ledger_of(environment)) == 4


@pytest.mark.usefixtures("reigned")
async def test_a_candidate_that_wins_meanwhile_and_a_rollback_are_both_generations(
    environment: dict[str, str], tmp_path: Path, packages: list[dict[str, bytes]]
) -> None:
    """Case P07, with an override by hand that comes last and holds."""
    async with racing(environment, tmp_path, packages[3]) as ports:
        done = await rollback_in(ports, settings_of(environment)).roll_back(order("key"))
        assert (returned_to(done.entry), done.entry.generation, done.unshown) == (2, 5, "")
        assert await ports.ledger.unannounced(ports.model_name) == []
        await ports.registry.set_alias(ports.model_name, 1)
        await ports.projector().show()
        entries = await ports.ledger.entries(ports.model_name)
        assert [entry.cause for entry in entries[3:]] == [Cause.GATE, Cause.ROLLBACK, Cause.OVERRIDE]
        assert await ports.registry.alias_version(ports.model_name) == 1


@asynccontextmanager
async def racing(
    environment: dict[str, str], tmp_path: Path, package: dict[str, bytes]
) -> AsyncIterator[RunPorts]:
    """A world in which a candidate wins while somebody rolls back."""
    uri, model = environment["MLFLOW_TRACKING_URI"], environment["MLFLOW_MODEL_NAME"]
    async with open_shelf(uri, tmp_path / "more", model) as shelf, opened(environment) as ports:
        yield meanwhile(ports, lambda: won(ports, shelf, package))


@pytest.mark.usefixtures("reigned")
async def test_a_lost_answer_and_a_slow_mlflow_do_no_harm(environment: dict[str, str]) -> None:
    address = urlsplit(environment["MLFLOW_TRACKING_URI"])
    async with FaultProxy(address.port or 0, Http(address.netloc)) as proxy:
        through = {**environment, "MLFLOW_TRACKING_URI": proxy.url}
        fault = proxy.add(lost(http("POST", "/registered-models/alias"), times=1))
        async with opened(through) as ports:
            job = rollback_in(ports, settings_of(through))
            first = await job.roll_back(order("key"))
            again = await job.roll_back(order("key"))
        proxy.clear()
        proxy.add(slow(6.0, http("GET", "model-versions/get")))
        async with opened(through) as ports:
            waited = await rollback_in(ports, settings_of(through)).plan(1)
    assert fault.hits == 1
    assert first.unshown
    assert (again.entry, again.unshown) == (first.entry, "")
    assert await alias_of(environment) == 2
    assert "took more than 5 s" in waited.unchecked

"""What a person does at night: who works, what waits and why, calling a run off, and asking again."""

import asyncio
from functools import partial

from service.cli.console import Exit
from service.cli.findings import Finding
from service.cli.fleet import fleet_findings
from tests.contract.stores import WAY_TO_EVALUATED, Stores, brought_to
from tests.integration.cli.stories import add, heard, left, refuse, wait_for_mlflow
from tests.integration.postgres_admin import plain
from tests.kit.settings_of import settings_of
from tests.unit.cli.calls import Laurel

MINUTE = 60.0


def silent(url: str, name: str, seconds: float) -> None:
    """Let its last heartbeat be so long ago."""
    with plain(url) as connection:
        back = "UPDATE laurel.heartbeats SET beat_at = now() - make_interval(secs => %s) WHERE name = %s"
        connection.execute(back, (seconds, name))


def test_a_quiet_fleet_is_told_from_a_hung_a_missing_a_wrong_and_an_old_one(
    laurel: Laurel, environment: dict[str, str], model: str
) -> None:
    url = environment["DATABASE_URL"]

    def look() -> tuple[Finding, str]:
        workers, requests = asyncio.run(fleet_findings(settings_of(environment)))
        return workers, requests.found

    missing, nothing = look()
    heard(url, "another", "elsewhere")
    wrong, _ = look()
    laurel("request")
    laurel("request", "--model-version", "2")
    left(url, model, partial(wait_for_mlflow, model=model, identity="one"))
    old, waits = look()
    heard(url, model, "w")
    quiet, _ = look()
    heard(url, model, "l", "reload-listener")
    silent(url, "w", 40 * MINUTE)
    silent(url, "l", 90 * MINUTE)
    doctor, status = laurel("doctor", "--json"), laurel("status")
    hung = next(one for one in doctor.json if one["what"] == "workers")
    table = laurel("workers").out

    assert missing.found.startswith(f"no worker of model {model} was seen within a day; there are no workers")
    assert wrong.found.endswith("there are workers of: another")
    assert (missing.ok, wrong.ok, hung["ok"], hung["well"]) == (False, False, False, False)
    assert nothing == "no requests are unread, no runs wait for a worker, 0 in hand"
    assert waits == "2 requests are unread, no runs wait for a worker, 1 in hand"
    assert (old.ok, old.warns) == (True, True)
    assert "as one of Laurel 0.1.0, but runs are held by w" in old.found
    assert (quiet.ok, quiet.warns) == (True, False)
    assert "1 run in hand" in quiet.found
    assert hung["found"].startswith(f"no worker of model {model} seen for 40 min (w, pid ")
    assert hung["found"].endswith("; there are workers of: another")
    assert doctor.code == Exit.NO
    assert hung["found"].partition(" (")[0] in status.out
    assert "2 requests are unread" in status.out
    listener = next(one for one in doctor.json if one["what"] == "reload-listener")
    assert (listener["warns"], listener["found"].endswith("is silent for 90 min")) == (True, True)
    assert all(word in table for word in ("elsewhere", "living", "silent", "none of them serves"))


def test_workers_are_listed_with_what_they_carry_and_show_names_who_holds_a_run(
    laurel: Laurel, environment: dict[str, str], model: str
) -> None:
    url = environment["DATABASE_URL"]
    heard(url, model, "w")
    left(url, model, partial(wait_for_mlflow, model=model, identity="one"))

    [worker] = laurel("workers", "--json").json
    [run] = laurel("runs", "--json").json
    shown, facts = laurel("show", "one").out, laurel("show", "one", "--json").json["holding"]
    silent(url, "w", 40 * MINUTE)

    assert (worker["worker"], worker["model_name"], worker["state"]) == ("w", model, "living")
    assert worker["runs"] == [run["run_id"]]
    assert worker.keys() >= {"host", "pid", "version", "started_at", "last_heard_at", "silent_seconds"}
    assert "it lives); its lease lasts until " in shown
    assert "for mlflow, since " in shown
    assert " at most" in shown
    assert facts["worker"] == "w"
    assert 0 < facts["lease_seconds"] <= 60
    assert facts["waits_until_at_most"] > facts["lease_until"]
    assert "silent for 40 min" in laurel("show", "one").out


async def evaluate(stores: Stores, model: str, identity: str) -> None:
    """A run that was evaluated, and is about to be decided on."""
    await brought_to(stores, await add(stores, model, identity), *WAY_TO_EVALUATED)


def test_a_run_is_cancelled_once_and_asked_for_again(
    laurel: Laurel, environment: dict[str, str], model: str
) -> None:
    url = environment["DATABASE_URL"]
    left(url, model, partial(wait_for_mlflow, model=model, identity="waits"))
    left(url, model, partial(evaluate, model=model, identity="evaluated"))
    left(url, model, partial(refuse, model=model, identity="refused"))

    goes_on = laurel("retry", "waits")
    done = laurel("cancel", "waits", "--reason", "wrong data")
    again = laurel("cancel", "waits", "--json")
    late, ended = laurel("cancel", "evaluated"), laurel("cancel", "refused")
    retried = laurel("retry", "waits", "--json").json

    codes = [one.code for one in (goes_on, done, again, late, ended, laurel("cancel", "zzzz"))]
    assert codes == [Exit.NO, Exit.DONE, Exit.DONE, Exit.NO, Exit.NO, Exit.NOT_FOUND]
    assert "cancel it first, or wait" in " ".join(goes_on.err.split())
    assert "(command line, not proven): wrong data" in " ".join(done.out.split())
    assert (again.json["state"], again.json["reason"]) == ("FAILED", "cancelled")
    assert again.json["message"].endswith("wrong data")
    assert "before it is EVALUATED" in " ".join(late.err.split())
    assert "has ended REJECTED" in " ".join(ended.err.split())
    assert retried["retry_of"] == again.json["run_id"]
    assert retried["identity"] == f"event:/laurel/cli {retried['request_id']}"
    waiting = asyncio.run(fleet_findings(settings_of(environment)))[1].found
    assert waiting.startswith("1 request is unread")

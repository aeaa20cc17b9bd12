"""`laurel doctor`: is every server reachable, every folder writable, every file usable; with the fix."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import typer

from domain.errors import LaurelError, NeverRetry, Stop, TryLater
from domain.wording import visible
from service.cli.console import AsJson, Exit, masked, out, print_json
from service.cli.findings import Finding
from service.cli.reading import read_settings

if TYPE_CHECKING:
    from config.settings import Settings

app = typer.Typer(add_completion=False)

_LINEAR: Final = "it keeps working, slowly; use another format in the contract's next version"
_SECONDS: Final = 10.0
# How to fix an error that says itself what to run.
_FIXES: Final = {
    "schema_older": "laurel db upgrade",
    "schema_newer": "run the Laurel that upgraded it, or a later one",
    "pooler_in_transaction_mode": "the server's own address in DATABASE_URL, or a pooler in session mode",
    "startup_parameter_refused": "correct DATABASE_URL, or the pooler's ignore_startup_parameters",
    "kafka_denied": "correct KAFKA__SECURITY_PROTOCOL and KAFKA__SASL_…",
    "ca_unusable": "correct that setting, or that variable",
    "client_certificate_unusable": "correct that setting",
    "insecure_tls_refused": "unset it, and set MLFLOW__CA_FILE",
}


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Check every server, folder and file that Laurel needs; one line each, with the fix."""
    import asyncio

    settings = read_settings()
    findings = [_masked(finding, settings) for finding in asyncio.run(examine(settings))]
    if as_json:
        print_json([finding.as_json() for finding in findings])
    else:
        for finding in findings:
            _print(finding, max(len(one.what) for one in findings))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(Exit.NO)


def _masked(finding: Finding, settings: Settings) -> Finding:
    return replace(finding, found=masked(finding.found, settings))


def _print(finding: Finding, width: int) -> None:
    mark = ("warn", "yellow") if finding.warns else ("ok  ", "green") if finding.ok else ("FAIL", "bold red")
    fix = f"  {out.arrow} {finding.fix}" if finding.fix and (finding.warns or not finding.ok) else ""
    found = out.readable(visible(f"  {finding.what:<{width}}  {finding.found}"))
    out.write(f"{out.coloured(*mark)}{found}{out.coloured(out.readable(visible(fix)), 'bold')}")


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything; the servers side by side, each for ten seconds at most."""
    import asyncio

    from config.topics import TOPICS
    from service.cli.fleet import fleet_findings
    from service.cli.folder_findings import folder_findings, remote_finding
    from service.cli.mlflow_findings import mlflow_findings
    from service.cli.topic_findings import topic_findings
    from service.lifecycle.settings_values import kafka_connection

    topics, *answers = await asyncio.gather(
        topic_findings(kafka_connection(settings), TOPICS),
        _asked(
            "kafka", "KAFKA_BOOTSTRAP_SERVERS", partial(_kafka, settings), settings.kafka_bootstrap_servers
        ),
        _asked("postgresql", "DATABASE_URL", partial(_postgres, settings)),
        _asked("mlflow", "MLFLOW_TRACKING_URI", partial(_mlflow, settings), settings.mlflow_tracking_uri),
    )
    # The one of the two that is away was named above.
    known = all(answer.ok for answer in answers if answer.what in {"postgresql", "mlflow"})
    champion = [await _asked("champion", "MLFLOW__ALIAS", partial(_champion, settings))] if known else []
    record = await mlflow_findings(settings) if answers[-1].ok else []
    stored = any(answer.ok for answer in answers if answer.what == "postgresql")
    remote = (
        [await _asked("dvc remote", "DVC__REMOTE_URL", partial(remote_finding, settings))] if stored else []
    )
    told = all(answer.ok for answer in answers if answer.what == "kafka")
    fleet = await fleet_findings(settings, asks_kafka=told) if stored else []
    ledger = [await _asked("ledger", "DATABASE_URL", partial(_ledger, settings))] if known and told else []
    held = [await _asked("promotions", "DATABASE_URL", partial(_hold, settings))] if stored else []
    folders = await asyncio.to_thread(folder_findings, settings)
    inference = [finding async for finding in _inference(settings)]
    notifier = await asyncio.to_thread(_notifier, settings)
    return [
        *answers,
        *topics,
        *record,
        *champion,
        *ledger,
        *held,
        *fleet,
        *remote,
        *folders,
        _master(settings),
        *await _config(settings),
        *inference,
        *_gateways(settings),
        notifier,
    ]


async def _asked(
    name: str, setting: str, ask: Callable[[], Awaitable[Finding]], address: str = ""
) -> Finding:
    import asyncio

    at, fix = f"{address}: " if address else "", f"correct {setting}"
    try:
        async with asyncio.timeout(_SECONDS):
            return await ask()
    except TimeoutError:
        found = f"{at}no answer within {_SECONDS:g} s"
        return Finding(name, ok=False, found=found, fix=f"start it, or {fix}")
    except LaurelError as error:
        away = f"start it, or {fix}" if isinstance(error, TryLater) else fix
        advice = str(error.facts.get("advice") or "")
        found = error.message.removesuffix(f"; {advice}")
        fix = advice or _FIXES.get(error.reason, away)
        return Finding(name, ok=False, found=f"{at}{found}", fix=fix)


async def _kafka(settings: Settings) -> Finding:
    from config.topics import TOPICS
    from service.adapters.kafka.topic_provisioning import missing_topics
    from service.lifecycle.settings_values import kafka_connection

    missing = await missing_topics(kafka_connection(settings), TOPICS)
    found = f"topics are missing: {', '.join(missing)}" if missing else "answers, all topics exist"
    return Finding("kafka", not missing, found, "laurel topics ensure")


async def _postgres(settings: Settings) -> Finding:
    import asyncio

    from service.adapters.postgres.database_roles import risks_of
    from service.adapters.postgres.schema import require_current
    from service.adapters.postgres.sessions import require_sessions

    straight = await require_sessions(settings.sqlalchemy_url)
    await asyncio.to_thread(require_current, settings.sqlalchemy_url)
    way = "" if straight else " through a pooler or a proxy, sessions are kept"
    found = f"answers{way}, the schema is this version's"
    if risks := await asyncio.to_thread(risks_of, settings.sqlalchemy_url):
        found = f"{found}; {'; '.join(risk.found for risk in risks)}"
        fix = "; ".join(risk.fix for risk in risks)
        return Finding("postgresql", ok=True, found=found, fix=fix, warns=True)
    return Finding("postgresql", ok=True, found=found)


async def _mlflow(settings: Settings) -> Finding:
    from service.lifecycle.registry import open_mlflow

    async with open_mlflow(settings) as rest:
        await rest.ping()
    return Finding("mlflow", ok=True, found="answers")


async def _champion(settings: Settings) -> Finding:
    """Is what the alias names there, and can services that have only MLflow read it."""
    from domain.counterparts import alias_gap
    from service.adapters.postgres.champion_history import PostgresChampionHistory
    from service.cli.mlflow_findings import without_alias
    from service.lifecycle.looking import open_look
    from service.lifecycle.settings_values import mlflow_access
    from service.lifecycle.workbench import open_world
    from service.promotion.repair import condition_of

    async with open_world(settings, "laurel doctor") as world:
        number = await world.registry.alias_version(world.model_name)
        if number is None:
            async with open_look(settings) as look:
                history = PostgresChampionHistory(look.rows, world.model_name)
                return await without_alias(world.model_name, settings.mlflow.alias, history, world.registry)
        try:
            condition = await condition_of(number, world.versions, mlflow_access(settings))
        except NeverRetry as error:
            found = f"version {number} cannot be used: {error.message}"
            return Finding("champion", ok=False, found=found, fix="point the alias at a complete version")
        head, alias = await world.ledger.head(world.model_name), settings.mlflow.alias
        if gap := alias_gap(head, number, alias, world.clock.now()):
            return Finding(
                "champion", ok=False, found=gap, fix="start a worker; `laurel champion` shows more"
            )
    if condition.needs_repair:
        return Finding("champion", ok=False, found=condition.told, fix="laurel repair")
    by_others = "" if condition.ours else ", which Laurel did not make"
    return Finding("champion", ok=True, found=f"version {number}{by_others}")


async def _hold(settings: Settings) -> Finding:
    """A hold is a person's will, and easily forgotten."""
    from service.cli.holds import active_hold
    from service.lifecycle.looking import open_look

    async with open_look(settings) as look:
        hold = await active_hold(look, settings)
    if hold is None:
        return Finding("promotions", ok=True, found="not held")
    return Finding("promotions", ok=True, found=hold.told, fix="laurel release", warns=True)


async def _ledger(settings: Settings) -> Finding:
    """Do registry and topic agree with it."""
    from service.cli.agreement import audited

    found = await audited(settings)
    return Finding("ledger", found.fits, found.message, "`laurel ledger status` shows what each side holds")


def _master(settings: Settings) -> Finding:
    master = settings.data_root / "processed" / "master.parquet"
    if not master.is_file():
        return Finding(
            "master", ok=False, found=f"{master} does not exist", fix="let the data pipeline write it"
        )
    try:
        with master.open("rb") as file:
            whole = file.read(4) == b"PAR1"
    except OSError as error:
        return Finding("master", ok=False, found=f"{master}: {error.strerror}", fix="let this user read it")
    found = f"{master} is there" if whole else f"{master} is not a Parquet file"
    return Finding("master", whole, found, "let the data pipeline write it again")


async def _config(settings: Settings) -> list[Finding]:
    from service.cli.configuration import config_families, fault_line, faults_and_versions

    faults, versions, slow = await faults_and_versions(config_families(settings.config_root), settings)
    kept = [
        Finding("configuration", ok=True, found=fault_line(fault), fix=_LINEAR, warns=True) for fault in slow
    ]
    if not faults:
        usable = ", ".join(f"{len(found)} {family}" for family, found in versions.items())
        return [Finding("configuration", ok=True, found=f"every file is usable: {usable}"), *kept]
    root = settings.config_root
    return [
        Finding("configuration", ok=False, found=fault_line(fault), fix=f"correct it in {root}")
        for fault in faults
    ] + kept


def _gateways(settings: Settings) -> Iterator[Finding]:
    """A closed API is not a fault: not everybody runs `laurel api`."""
    from domain.roles import OPERATE

    api = settings.api
    operators = ", ".join(name for name, roles in sorted(api.token_roles.items()) if OPERATE in roles)
    callers = ", ".join(sorted(api.tokens)) + (f"; {operators} may operate" if operators else "")
    gateways = {
        "/training-requests": (callers, "API__TOKENS is not set"),
        "/api/v1": (api.basic_user, "API__BASIC_USER and API__BASIC_PASSWORD are not set"),
    }
    for pages, (known, why) in gateways.items():
        found = f"open to {known}" if known else f"closed: {why}"
        yield Finding(f"api {pages}", ok=True, found=found)


def _notifier(settings: Settings) -> Finding:
    """Read addresses and wording as `laurel notifier` does, which sends nothing. Blocks for a second."""
    from service.notifications.root import channels_of, wording_of

    if not settings.notifier.urls:
        return Finding("notifier", ok=True, found="disabled: NOTIFIER__URLS is not set")
    try:
        wording_of(settings)
        channels = channels_of(settings)
    except LaurelError as error:
        fix = "correct it; `laurel notifier --test` tries each channel"
        return Finding("notifier", ok=False, found=error.message, fix=fix)
    names = ", ".join(channel.name for channel in channels)
    return Finding("notifier", ok=True, found=f"tells {names}; `laurel notifier --test` tries them")


async def _inference(settings: Settings) -> AsyncIterator[Finding]:
    """One finding for each address behind each name: a server that is down may hide behind one that is up."""
    import asyncio

    from service.rollout.replica_clients import open_servers

    fix = "start it, or correct INFERENCE_API_URL"
    try:
        async with open_servers(settings) as servers:
            replicas = await servers.replicas()
            problems = await asyncio.gather(*(servers.answers(replica) for replica in replicas))
    except Stop as error:
        yield Finding("inference", ok=False, found=error.message, fix=_FIXES.get(error.reason, fix))
        return
    for replica, problem in zip(replicas, problems, strict=True):
        yield Finding(f"inference {replica.name}", problem is None, problem or "answers", fix)

"""`laurel doctor`: is every server reachable, every folder writable, every file usable; with the mend."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from typing import Final

import typer
from rich.text import Text

from config.settings import Settings
from config.topics import TOPICS
from domain.errors import LaurelError, NeverRetry, Stop, TryLater
from service.adapters.kafka.topic_provisioning import missing_topics
from service.adapters.mlflow.rest import MlflowRest
from service.adapters.postgres.risks import risks_of
from service.adapters.postgres.schema import require_current
from service.adapters.postgres.sessions import require_sessions
from service.app import open_world
from service.cli.agreement import audited
from service.cli.configuration import config_faults, fault_line
from service.cli.console import AsJson, Exit, masked, out, print_json, printable
from service.cli.findings import Finding
from service.cli.folder_findings import folder_findings
from service.cli.mlflow_findings import mlflow_findings, without_alias
from service.cli.reading import read_settings
from service.cli.remote_findings import remote_finding
from service.cli.topic_findings import topic_findings
from service.listener import open_servers
from service.notifier import channels_of, wording_of
from service.repair import condition_of
from service.settings_values import kafka_connection, mlflow_access

app = typer.Typer(add_completion=False)

_SECONDS: Final = 10.0
# What mends an error that says itself what to run.
_MENDS: Final = {
    "schema_older": "laurel db upgrade",
    "schema_newer": "run the Laurel that brought it there, or a later one",
    "pooler_in_transaction_mode": "the server's own address in DATABASE_URL, or a pooler in session mode",
    "startup_parameter_refused": "correct DATABASE_URL, or the pooler's ignore_startup_parameters",
    "kafka_denied": "correct KAFKA__SECURITY_PROTOCOL and KAFKA__SASL_…",
    "ca_unusable": "correct that setting, or that variable",
    "client_certificate_unusable": "correct that setting",
    "insecure_tls_refused": "unset it, and set MLFLOW__CA_FILE",
}


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Look at every server, folder and file that Laurel needs; one line each, with the mend."""
    settings = read_settings()
    findings = [_masked(finding, settings) for finding in asyncio.run(examine(settings))]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            _print(finding, max(len(one.what) for one in findings))
    if not all(finding.well for finding in findings):
        raise typer.Exit(Exit.NO)


def _masked(finding: Finding, settings: Settings) -> Finding:
    return replace(finding, found=masked(finding.found, settings))


def _print(finding: Finding, width: int) -> None:
    mark = (
        ("warn", "yellow") if finding.warns else ("well", "green") if finding.well else ("ill ", "bold red")
    )
    line = Text.assemble(mark, f"  {finding.what:<{width}}  {printable(finding.found)}")
    if finding.mend and (finding.warns or not finding.well):
        line.append("  → ", "bold")
        line.append(finding.mend, "bold")
    out.print(line, soft_wrap=True)


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything; the servers side by side, each for ten seconds at most."""
    topics, *answers = await asyncio.gather(
        topic_findings(kafka_connection(settings), TOPICS),
        _asked(
            "kafka", "KAFKA_BOOTSTRAP_SERVERS", partial(_kafka, settings), settings.kafka_bootstrap_servers
        ),
        _asked("postgresql", "DATABASE_URL", partial(_postgres, settings)),
        _asked("mlflow", "MLFLOW_TRACKING_URI", partial(_mlflow, settings), settings.mlflow_tracking_uri),
    )
    # Whoever of the two is away has been named above.
    known = all(answer.well for answer in answers if answer.what in {"postgresql", "mlflow"})
    champion = [await _asked("champion", "MLFLOW__ALIAS", partial(_champion, settings))] if known else []
    record = await mlflow_findings(settings) if answers[-1].well else []
    stored = any(answer.well for answer in answers if answer.what == "postgresql")
    remote = (
        [await _asked("dvc remote", "DVC__REMOTE_URL", partial(remote_finding, settings))] if stored else []
    )
    known = known and all(answer.well for answer in answers if answer.what == "kafka")
    ledger = [await _asked("ledger", "DATABASE_URL", partial(_ledger, settings))] if known else []
    folders = await asyncio.to_thread(folder_findings, settings)
    inference = [finding async for finding in _inference(settings)]
    told = await asyncio.to_thread(_notifier, settings)
    return [
        *answers,
        *topics,
        *record,
        *champion,
        *ledger,
        *remote,
        *folders,
        _master(settings),
        *await _config(settings),
        *inference,
        *_doors(settings),
        told,
    ]


async def _asked(
    name: str, setting: str, ask: Callable[[], Awaitable[Finding]], address: str = ""
) -> Finding:
    at, mend = f"{address}: " if address else "", f"correct {setting}"
    try:
        async with asyncio.timeout(_SECONDS):
            return await ask()
    except TimeoutError:
        found = f"{at}no answer within {_SECONDS:g} s"
        return Finding(name, well=False, found=found, mend=f"start it, or {mend}")
    except LaurelError as error:
        away = f"start it, or {mend}" if isinstance(error, TryLater) else mend
        advice = str(error.facts.get("advice") or "")
        found = error.message.removesuffix(f"; {advice}")
        mend = advice or _MENDS.get(error.reason, away)
        return Finding(name, well=False, found=f"{at}{found}", mend=mend)


async def _kafka(settings: Settings) -> Finding:
    missing = await missing_topics(kafka_connection(settings), TOPICS)
    found = f"topics are missing: {', '.join(missing)}" if missing else "answers, all topics are there"
    return Finding("kafka", not missing, found, "laurel topics ensure")


async def _postgres(settings: Settings) -> Finding:
    straight = await require_sessions(settings.sqlalchemy_url)
    await asyncio.to_thread(require_current, settings.sqlalchemy_url)
    way = "" if straight else " through a pooler or a proxy, sessions are kept"
    found = f"answers{way}, the schema is this version's"
    if risks := await asyncio.to_thread(risks_of, settings.sqlalchemy_url):
        found = f"{found}; {'; '.join(risk.found for risk in risks)}"
        mend = "; ".join(risk.mend for risk in risks)
        return Finding("postgresql", well=True, found=found, mend=mend, warns=True)
    return Finding("postgresql", well=True, found=found)


async def _mlflow(settings: Settings) -> Finding:
    rest = MlflowRest(mlflow_access(settings))
    try:
        await rest.ping()
    finally:
        await rest.close()
    return Finding("mlflow", well=True, found="answers")


async def _champion(settings: Settings) -> Finding:
    """Is what the alias names there, and can services that have only MLflow read it."""
    async with open_world(settings, "laurel doctor") as world:
        number = await world.registry.alias_version(world.model_name)
        if number is None:
            return await without_alias(world)
        try:
            condition = await condition_of(world, number, mlflow_access(settings))
        except NeverRetry as error:
            found = f"version {number} cannot be used: {error.message}"
            return Finding(
                "champion", well=False, found=found, mend="point the alias at a version that is whole"
            )
    if condition.needs_repair:
        return Finding("champion", well=False, found=condition.told, mend="laurel repair")
    by_others = "" if condition.ours else ", which Laurel did not make"
    return Finding("champion", well=True, found=f"version {number}{by_others}")


async def _ledger(settings: Settings) -> Finding:
    """Do registry and topic agree with it."""
    found = await audited(settings)
    return Finding("ledger", found.fits, found.message, "`laurel ledger status` tells what each side holds")


def _master(settings: Settings) -> Finding:
    master = settings.data_root / "processed" / "master.parquet"
    if not master.is_file():
        return Finding(
            "master", well=False, found=f"{master} does not exist", mend="let the data pipeline write it"
        )
    try:
        with master.open("rb") as file:
            whole = file.read(4) == b"PAR1"
    except OSError as error:
        return Finding(
            "master", well=False, found=f"{master}: {error.strerror}", mend="let this user read it"
        )
    found = f"{master} is there" if whole else f"{master} is no parquet file"
    return Finding("master", whole, found, "let the data pipeline write it anew")


async def _config(settings: Settings) -> list[Finding]:
    faults, versions = await config_faults(settings)
    if not faults:
        usable = ", ".join(f"{len(found)} {family}" for family, found in versions.items())
        return [Finding("configuration", well=True, found=f"every file is usable: {usable}")]
    root = settings.config_root
    return [
        Finding("configuration", well=False, found=fault_line(fault), mend=f"correct it in {root}")
        for fault in faults
    ]


def _doors(settings: Settings) -> Iterator[Finding]:
    """A closed door is no fault: not everybody runs `laurel api`."""
    api = settings.api
    doors = {
        "/training-requests": (", ".join(sorted(api.tokens)), "API__TOKENS is not set"),
        "/api/v1": (api.basic_user, "API__BASIC_USER and API__BASIC_PASSWORD are not set"),
    }
    for pages, (callers, why) in doors.items():
        found = f"open to {callers}" if callers else f"closed: {why}"
        yield Finding(f"api {pages}", well=True, found=found)


def _notifier(settings: Settings) -> Finding:
    """Read addresses and wording as `laurel notifier` does, which sends nothing. Blocks for a second."""
    if not settings.notifier.urls:
        return Finding("notifier", well=True, found="tells nobody: NOTIFIER__URLS is not set")
    try:
        wording_of(settings)
        channels = channels_of(settings)
    except LaurelError as error:
        mend = "correct it; `laurel notifier --test` tries each channel"
        return Finding("notifier", well=False, found=error.message, mend=mend)
    names = ", ".join(channel.name for channel in channels)
    return Finding("notifier", well=True, found=f"tells {names}; `laurel notifier --test` tries them")


async def _inference(settings: Settings) -> AsyncIterator[Finding]:
    """One finding for each address behind each name: a server that is down may hide behind one that is up."""
    mend = "start it, or correct INFERENCE_API_URL"
    try:
        async with open_servers(settings) as servers:
            replicas = await servers.replicas()
            problems = await asyncio.gather(*(servers.answers(replica) for replica in replicas))
    except Stop as error:
        yield Finding("inference", well=False, found=error.message, mend=_MENDS.get(error.reason, mend))
        return
    for replica, problem in zip(replicas, problems, strict=True):
        yield Finding(f"inference {replica.name}", problem is None, problem or "answers", mend)

"""`laurel doctor`: is every server reachable, every folder writable, every file usable; with the mend."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import typer

from config.settings import Settings
from config.topics import TOPICS
from domain.errors import LaurelError, Stop, TryLater
from service.adapters.http.inference_servers import answers_at
from service.adapters.kafka.topic_provisioning import missing_topics
from service.adapters.mlflow.rest import MlflowRest
from service.adapters.postgres.schema import require_current
from service.cli.configuration import config_faults, fault_line
from service.cli.console import AsJson, Exit, masked, out, print_json, read_settings
from service.settings_values import kafka_connection, mlflow_access

_SECONDS = 10.0


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: what was looked at, if it is well, and if not, what is wrong and the mend."""

    what: str
    well: bool
    found: str
    mend: str = ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", rich_help_panel="Look")(doctor)


def doctor(*, as_json: AsJson = False) -> None:
    """Look at every server, folder and file that Laurel needs; one line each, with the mend."""
    settings = read_settings()
    findings = asyncio.run(_all(settings))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    for finding in findings if not as_json else ():
        mark = "[green]well[/]" if finding.well else "[red]ill [/]"
        mend = f"  [bold]mend:[/] {finding.mend}" if finding.mend and not finding.well else ""
        out.print(f"{mark}  {finding.what:<24} {masked(finding.found, settings)}{mend}", soft_wrap=True)
    if not all(finding.well for finding in findings):
        raise typer.Exit(Exit.NO)


async def _all(settings: Settings) -> list[Finding]:
    answers = await asyncio.gather(
        _asked("kafka", partial(_kafka, settings), "start it, or set KAFKA_BOOTSTRAP_SERVERS"),
        _asked("postgresql", partial(_postgres, settings), "start it, or set DATABASE_URL"),
        _asked("mlflow", partial(_mlflow, settings), "start it, or set MLFLOW_TRACKING_URI"),
    )
    folders = [_writable(name, folder) for name, folder in _folders(settings).items()]
    master = settings.data_root / "processed" / "master.parquet"
    found = "there" if master.is_file() else f"{master} does not exist"
    data = Finding("master dataset", master.is_file(), found, "let the data pipeline write it")
    inference = [finding async for finding in _inference(settings)]
    return [*answers, *folders, data, *await _config(settings), *inference]


async def _asked(name: str, ask: Callable[[], Awaitable[Finding]], mend: str) -> Finding:
    try:
        async with asyncio.timeout(_SECONDS):
            return await ask()
    except TimeoutError:
        return Finding(name, well=False, found=f"no answer within {_SECONDS:g} s", mend=mend)
    except (TryLater, Stop) as error:
        return Finding(
            name, well=False, found=error.message, mend=mend if isinstance(error, TryLater) else ""
        )
    except LaurelError as error:
        return Finding(name, well=False, found=error.message)


async def _kafka(settings: Settings) -> Finding:
    missing = await missing_topics(kafka_connection(settings), TOPICS)
    found = f"topics are missing: {', '.join(missing)}" if missing else "answers, all topics are there"
    return Finding("kafka", not missing, found, "laurel topics ensure")


async def _postgres(settings: Settings) -> Finding:
    await asyncio.to_thread(require_current, settings.sqlalchemy_url)
    return Finding("postgresql", well=True, found="answers, the schema is this version's")


async def _mlflow(settings: Settings) -> Finding:
    rest = MlflowRest(mlflow_access(settings))
    with contextlib.suppress(TryLater):
        await rest.ping()
        await rest.close()
        return Finding("mlflow", well=True, found="answers")
    await rest.close()
    raise TryLater("mlflow_unavailable", f"no MLflow answers at {settings.mlflow_tracking_uri}")


def _folders(settings: Settings) -> Mapping[str, Path]:
    return {"CONFIG_ROOT": settings.config_root, "DATA_ROOT": settings.data_root}


def _writable(name: str, folder: Path) -> Finding:
    if not folder.is_dir():
        return Finding(name, well=False, found=f"{folder} is no folder", mend=f"make it, or set {name}")
    well = os.access(folder, os.W_OK | os.X_OK)
    found = f"{folder} can be written" if well else f"{folder} cannot be written"
    return Finding(name, well, found, "give this user the right to write there")


async def _config(settings: Settings) -> list[Finding]:
    faults, versions = await config_faults(settings)
    if not faults:
        usable = ", ".join(f"{len(found)} {family}" for family, found in versions.items())
        return [Finding("configuration", well=True, found=usable)]
    return [Finding("configuration", well=False, found=fault_line(fault)) for fault in faults]


async def _inference(settings: Settings) -> AsyncIterator[Finding]:
    for url in settings.inference_servers:
        problem = await answers_at(url)
        found = problem or "answers"
        yield Finding(f"inference {url}", problem is None, found, "start it, or set INFERENCE_API_URL")

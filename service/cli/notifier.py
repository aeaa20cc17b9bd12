"""`laurel notifier`: tells people by chat, mail and webhooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from config.needs import KAFKA, NOTHING, STORE
from domain.errors import LaurelError
from service.cli.console import AsJson, Exit, masked, print_json, say
from service.cli.reading import begin_logging, read_role_settings, role_ends

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.notices import Notice
    from domain.ports.notices import Channel

app = typer.Typer(add_completion=False)

_HINT: Final = (
    "they are numbered as in NOTIFIER__URLS, a duplicate counts once; check that the address is "
    "complete, its credential still good, and the service to be reached from this machine"
)


@app.command()
def notifier(
    *,
    test: Annotated[
        bool, typer.Option("--test", help="Send one message to each channel, say which took it, and end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Notify people of promotions, declines, failures and divergence: chat, mail, webhooks.

    NOTIFIER__URLS names whom to tell. Logs go to standard error; --json overrides LOG__FORMAT. SIGTERM and
    Ctrl-C end it within its grace. With --test neither Kafka nor PostgreSQL is asked.
    """
    import asyncio

    from domain.notices import trial_notice
    from service.cli.role_runner import live
    from service.lifecycle.settings_values import mask_of
    from service.notifications.root import channels_of, open_notifier, wording_of
    from service.runtime.metrics import Metrics

    settings = read_role_settings(*((NOTHING,) if test else (KAFKA, STORE)))
    metrics = Metrics(model=settings.mlflow_model_name, role="notifier")
    mask = mask_of(settings)
    begin_logging(settings, mask, as_json=as_json)
    with role_ends("notifier", "laurel.role", mask):
        if not test:
            opened = partial(open_notifier, settings, metrics)
            asyncio.run(live("notifier", settings, opened, metrics, settings.notifier.port))
            return
        wording_of(settings)  # a trial is to find all that would stop the start
        channels = channels_of(settings)
    problems = asyncio.run(_tried(channels, trial_notice(settings.mlflow_model_name)))
    _tell(problems, settings, as_json=as_json)
    if any(problems.values()):
        raise typer.Exit(Exit.NO)


def _tell(problems: Mapping[str, str], settings: Settings, *, as_json: bool) -> None:
    if as_json:
        print_json(
            [{"channel": name, "taken": not why, "problem": why or None} for name, why in problems.items()]
        )
        return
    for number, (name, why) in enumerate(problems.items(), start=1):
        said = masked(why, settings) if why else f"{name} took the message"
        say(f"{number} of {len(problems)}: {said}", style="red" if why else "green", hang=2)
    if any(problems.values()):
        say(_HINT, hang=2)


async def _tried(channels: Sequence[Channel], notice: Notice) -> dict[str, str]:
    """Why not, by channel; empty for one that took it."""
    import asyncio

    problems = await asyncio.gather(*(_problem(channel, notice) for channel in channels))
    return dict(zip((channel.name for channel in channels), problems, strict=True))


async def _problem(channel: Channel, notice: Notice) -> str:
    try:
        await channel.send(notice)
    except LaurelError as error:
        return error.message
    return ""

"""One channel for each Apprise address; the address, which may be a secret, stays in here."""

import asyncio
import hashlib
import logging
import threading
import warnings
from collections.abc import Sequence
from typing import Any, Final

from domain.errors import Stop, TryLater
from domain.notices import LONGEST_BODY, LONGEST_TITLE, Notice, fitted

_SETTING: Final = "NOTIFIER__URLS"
_SPLIT: Final = "split"
_THREAD: Final = "laurel-channel"
_DIGITS: Final = 6  # of the digest in a name


class AppriseChannel:
    """`domain.ports.notices.Channel`: one message at a time, each in a thread that a process can leave."""

    def __init__(self, name: str, service: Any, timeout_seconds: float) -> None:
        self.name = name
        self._service = service
        self._timeout = timeout_seconds
        self._busy = threading.Lock()

    async def send(self, notice: Notice) -> None:
        """Send one message, in the bytes that the service takes. Raises TryLater `channel_unavailable`."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        # A daemon: Apprise cannot be interrupted, and a process that ends does not wait for a dead channel.
        threading.Thread(target=self._post, args=(notice, loop, done), name=_THREAD, daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout):
                taken = await done
        except TimeoutError:
            raise self._unavailable(f"did not answer within {self._timeout:g} s", refused=False) from None
        if not taken:
            raise self._unavailable("did not take the message", refused=True)

    def _post(self, notice: Notice, loop: asyncio.AbstractEventLoop, done: "asyncio.Future[bool]") -> None:
        taken = False
        # One that still hangs from before is not asked a second thing: threads would pile up.
        if self._busy.acquire(blocking=False):
            try:
                taken = self._notify(notice)
            finally:
                self._busy.release()
        _settle(loop, done, taken=taken)

    def _notify(self, notice: Notice) -> bool:
        told = self._fitted(notice)
        try:
            taken = self._service.notify(
                title=told.title, body=told.body, notify_type=told.severity, body_format="text"
            )
        except Exception:  # noqa: BLE001 - whatever a plugin raises; its text may hold the address
            return False
        return bool(taken)

    def _fitted(self, notice: Notice) -> Notice:
        """Cut it to the service's own limits, which it may count in bytes; `?overflow=split` needs none."""
        service = self._service
        if service.overflow_mode == _SPLIT:
            return fitted(notice, LONGEST_TITLE, LONGEST_BODY)
        return fitted(notice, min(service.title_maxlen, LONGEST_TITLE), service.body_maxlen)

    def _unavailable(self, what: str, *, refused: bool) -> TryLater:
        message = f"{self.name} {what}"
        return TryLater("channel_unavailable", message, waiting_on="channel", refused=refused)


def _settle(loop: asyncio.AbstractEventLoop, done: "asyncio.Future[bool]", *, taken: bool) -> None:
    def settle() -> None:
        if not done.done():
            done.set_result(taken)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        return  # the process ended its loop meanwhile: nobody waits


def open_channels(
    urls: Sequence[str], *, timeout_seconds: float, trusted: str | None = None
) -> list[AppriseChannel]:
    """Make a channel of each address; the same one twice is one. Blocks for the library's import.

    `trusted` is a file of the certificates that https:// channels are checked against.

    Raises Stop `channels_missing` for no address, `channel_unusable` with the places of those that Apprise
    cannot read.
    """
    if not urls:
        raise Stop("channels_missing", f"{_SETTING} is not set: give the Apprise addresses of the channels")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it looks for a module that later Pythons lack
        services = [_service(url, timeout_seconds, trusted) for url in urls]
    wrong = [number for number, service in enumerate(services, start=1) if service is None]
    if wrong:
        raise Stop(
            "channel_unusable",
            f"{_SETTING}: Apprise cannot read {_places(wrong)} of {len(urls)} addresses; "
            "see its page on that service",
            places=wrong,
        )
    _silence()
    named = {_name(url, service): service for url, service in zip(urls, services, strict=True)}
    return [AppriseChannel(name, service, timeout_seconds) for name, service in named.items()]


def _places(numbers: Sequence[int]) -> str:
    return "number " + ", ".join(map(str, numbers))


def _service(url: str, timeout_seconds: float, trusted: str | None) -> Any:
    """Apprise's own object, which writes nothing to disk and follows no redirect; None for a bad address."""
    import apprise  # noqa: PLC0415 - it takes a second with its plugins, and only the notifier needs it

    logging.getLogger("apprise").disabled = True  # it quotes addresses
    asset = apprise.AppriseAsset(
        app_id="Laurel",
        app_desc="Laurel",
        http_redirects=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        async_mode=False,
    )
    service: Any = apprise.Apprise.instantiate(url, asset=asset)
    if service is not None:
        _bound(service, timeout_seconds)
        if trusted is not None and service.verify_certificate:
            service.verify_certificate = trusted  # it hands this to requests, which takes a file as well
    return service


def _bound(service: Any, timeout_seconds: float) -> None:
    """Let it end by itself within the time, the pause included that it keeps between two messages."""
    left = max(timeout_seconds - service.request_rate_per_sec, timeout_seconds / 2)
    service.socket_connect_timeout = min(service.socket_connect_timeout, left / 2)
    service.socket_read_timeout = min(service.socket_read_timeout, left / 2)


def _name(url: str, service: Any) -> str:
    schema = str(service.url(privacy=True)).partition(":")[0]
    return f"{schema}-{hashlib.sha256(url.encode()).hexdigest()[:_DIGITS]}"


class _NotOfChannels(logging.Filter):
    """Drops what is logged in a channel's thread: at DEBUG an HTTP client tells paths, which hold tokens."""

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a line of a channel's thread."""
        return record.threadName != _THREAD


def _silence() -> None:
    for handler in logging.getLogger().handlers:
        if not any(isinstance(known, _NotOfChannels) for known in handler.filters):
            handler.addFilter(_NotOfChannels())

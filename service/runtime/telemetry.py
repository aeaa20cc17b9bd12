"""Logs: one JSON object a line, with the correlation id of what is being done, and never a secret."""

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from types import TracebackType
from typing import Final, TextIO

import structlog
from structlog.typing import Processor

from domain.wording import visible, visible_json
from service.runtime.secret_mask import HIDDEN, Mask

_SECRET_KEYS: Final = re.compile(
    r"password|passwd|secret|token|authorization|api_?key|credential", re.IGNORECASE
)
_REPEAT_SECONDS: Final = 10.0
# What a client library says again and again while its server is away.
_TALKATIVE: Final = ("aiokafka", "httpx", "httpcore")


def configure_logging(
    mask: Mask, *, level: str = "INFO", stream: TextIO | None = None, human: bool = False
) -> None:
    """Send all logs of this process, the libraries' too, to `stream` (standard error) as JSON lines.

    `human` prints them for eyes instead. Uncaught exceptions become log lines as well.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _hide_secret_keys,
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(mask, shared, human=human))
    handler.addFilter(OncePerWhile(_TALKATIVE))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    _log_uncaught()


@contextmanager
def doing(**facts: str | None) -> Iterator[None]:
    """Put facts (`correlation_id`, `run_id`) into every log line within, across awaits."""
    with structlog.contextvars.bound_contextvars(**{name: fact for name, fact in facts.items() if fact}):
        yield


class OncePerWhile(logging.Filter):
    """Lets a library say the same thing once in ten seconds."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__()
        self._names = tuple(names)
        self._said: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a repeat."""
        if not record.name.startswith(self._names):
            return True
        now, what = time.monotonic(), (record.name, record.msg)
        if now - self._said.get(what, -_REPEAT_SECONDS) < _REPEAT_SECONDS:
            return False
        self._said[what] = now
        return True


def _formatter(mask: Mask, shared: list[Processor], *, human: bool) -> logging.Formatter:
    def masked(_logger: object, _method: str, rendered: object) -> str:
        return mask(str(rendered))

    def shown(_logger: object, _method: str, event: MutableMapping[str, object]) -> str:
        return visible_json(json.dumps(event, default=str, ensure_ascii=False))

    for_eyes: list[Processor] = [_spell_signs, structlog.dev.ConsoleRenderer(colors=False)]
    render = for_eyes if human else [shown]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render, masked],
    )


def _spell_signs(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    """No text commands a terminal or forges a line; a traceback keeps its own lines."""
    for name, value in event.items():
        if isinstance(value, str):
            lines = value.split("\n") if name == "exception" else [value]
            event[name] = "\n".join(map(visible, lines))
    return event


def _hide_secret_keys(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    for name in event:
        if _SECRET_KEYS.search(name):
            event[name] = HIDDEN
    return event


def _log_uncaught() -> None:
    log = logging.getLogger("laurel")

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("uncaught exception", exc_info=(kind, error, trace))

    def of_thread(raised: threading.ExceptHookArgs) -> None:
        log.critical("uncaught exception in a thread", exc_info=raised.exc_value)

    sys.excepthook = of_process
    threading.excepthook = of_thread

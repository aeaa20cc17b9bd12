"""How a task tells the worker what it is doing."""

from collections.abc import Callable, Mapping


class _Listener:
    """Where this process's reports go: nowhere, unless it is a child."""

    deliver: Callable[[Mapping[str, object]], None] | None = None


def listen(deliver: Callable[[Mapping[str, object]], None]) -> None:
    """Send this process's reports to *deliver* from now on."""
    _Listener.deliver = deliver


def report(facts: Mapping[str, object]) -> None:
    """Tell the worker plain facts about the running task; outside of a child this does nothing."""
    if _Listener.deliver is not None:
        _Listener.deliver(facts)

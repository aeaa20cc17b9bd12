"""Who acts at the command line: what the machine says of its user, which proves nothing."""

import getpass
import socket
from typing import Final

from domain.run_actions import Actor

_ENTRY: Final = "command line"
_LONGEST_NAME: Final = 200
REPEAT: Final = "say it again when that answers: what is made already is not made twice"


def this_user() -> Actor:
    """The machine's user, and the machine."""
    return Actor(name=f"{_user()}@{socket.gethostname()}", door=_ENTRY, proven=False)


def decider(by: str | None) -> Actor:
    """Who decided: the person that the user names, else the user; neither is proven."""
    user, name = this_user(), (by or "").strip()[:_LONGEST_NAME]
    return Actor(name=name, door=f"{_ENTRY} of {user.name}", proven=False) if name else user


def required_reason(text: str) -> str:
    """The reason without what stands around it; ends with the fault of one that cannot be kept."""
    from domain.request import LONGEST_REASON, no_text
    from service.cli.console import Exit, fail

    reason = text.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        fail(Exit.USAGE, f"nothing was changed: {no_text('--reason', LONGEST_REASON)}")
    return reason


def acting(command: str) -> str:
    """Name who acts by a command that changes production, as the ledger keeps it."""
    return f"{command} ({this_user().name}, not proven)"


def _user() -> str:
    try:
        return getpass.getuser().encode("utf-8", "replace").decode()
    except (KeyError, OSError):  # a number without a name, as in many containers
        return "somebody"

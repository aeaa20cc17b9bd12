"""Who acts at the command line: what the machine says of its user, which proves nothing."""

import getpass
import socket
from typing import Final

from domain.run_actions import Actor

_ENTRY: Final = "command line"


def this_user() -> Actor:
    """The machine's user, and the machine."""
    return Actor(name=f"{_user()}@{socket.gethostname()}", door=_ENTRY, proven=False)


def acting(command: str) -> str:
    """Name who acts by a command that changes production, as the ledger keeps it."""
    return f"{command} ({this_user().name}, not proven)"


def _user() -> str:
    try:
        return getpass.getuser().encode("utf-8", "replace").decode()
    except (KeyError, OSError):  # a number without a name, as in many containers
        return "somebody"

"""Being taken out of service: the load balancer learns it first, and everything is still answered."""

from collections.abc import Mapping
from typing import Final

_SAYS: Final = {"drain": "this process is shutting down; send new calls to another one"}


class Drain:
    """Whether this server is on its way out."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.is_on = False

    def begin(self) -> None:
        """From now on readiness says no, and each answer is the last one of its connection."""
        self.is_on = True

    def missing(self) -> Mapping[str, str]:
        """Why this server is not ready, for as long as that is the reason."""
        return _SAYS if self.is_on else {}

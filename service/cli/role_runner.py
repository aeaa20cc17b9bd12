"""What the commands of long-lived roles share: their life from start to end."""

from config.settings import Settings
from service.runtime.metrics import Metrics
from service.runtime.role import OpenParts, Role


async def live(name: str, settings: Settings, open_parts: OpenParts, metrics: Metrics, port: int) -> None:
    """Live until SIGTERM or Ctrl-C, with health and metrics on `port`. Raises Stop."""
    role = Role(name, open_parts, metrics, grace_seconds=settings.worker.grace_seconds)
    role.stop_on_signals()
    await role.run(settings.http.host, port)

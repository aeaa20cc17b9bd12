"""What the commands of long-lived roles share: their log, and their life from start to end."""

from config.settings import Settings
from service.metrics import Metrics
from service.role import OpenParts, Role
from service.settings_values import mask_of
from service.telemetry import Mask, configure_logging


def begin_logging(settings: Settings, *, as_json: bool) -> Mask:
    """Log as the settings say; return what takes secrets out of texts."""
    mask = mask_of(settings)
    human = settings.log.format == "console" and not as_json
    configure_logging(mask, level=settings.log.level, human=human)
    return mask


async def live(name: str, settings: Settings, open_parts: OpenParts, metrics: Metrics, port: int) -> None:
    """Live until SIGTERM or Ctrl-C, with health and metrics on `port`. Raises Stop."""
    role = Role(name, open_parts, metrics, grace_seconds=settings.worker.grace_seconds)
    role.stop_on_signals()
    await role.run(settings.http.host, port)

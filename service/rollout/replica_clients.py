"""The way to the inference servers, for the reload listener and for commands that ask what is served."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config.settings import Settings
from service.adapters.http.bounded import Resolve, system_addresses
from service.adapters.http.inference_servers import HttpInferenceServers
from service.lifecycle.settings_values import replica_tls


@asynccontextmanager
async def open_servers(
    settings: Settings, *, resolve: Resolve = system_addresses
) -> AsyncIterator[HttpInferenceServers]:
    """Open the way to the inference servers. Raises Stop for a file of certificates that cannot be used."""
    token = settings.inference_internal_token
    servers = HttpInferenceServers(
        settings.inference_servers,
        token.get_secret_value() if token else None,
        verify=replica_tls(settings),
        resolve=resolve,
    )
    try:
        yield servers
    finally:
        await servers.stop()

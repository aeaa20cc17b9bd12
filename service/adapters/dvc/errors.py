"""What goes wrong at a DVC remote, sorted by the reaction that it asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.config import ConfigError as RemoteConfigError
from dvc.fs import AuthError, ConfigError, RemoteMissingDepsError

from domain.errors import LaurelError, NeverRetry, TryLater
from service.adapters.dvc.addresses import shown
from service.adapters.files.errors import NO_ROOM, sorted_error


def unavailable(url: str, detail: str, **facts: object) -> TryLater:
    """The remote does not take what it is given, or does not show it afterwards."""
    return TryLater(
        "dvc_remote_unavailable",
        f"the DVC remote {shown(url)} is not available: {detail}",
        waiting_on="dvc_remote",
        remote=shown(url),
        detail=detail,
        **facts,
    )


@contextmanager
def remote_errors(url: str) -> Iterator[None]:
    """Translate whatever a remote's file system raises; the original stays the cause."""
    try:
        yield
    except LaurelError as error:
        if error.reason == "file_error":
            raise unavailable(url, error.message) from error
        raise
    except (
        ImportError,
        RemoteMissingDepsError,
        ConfigError,
        RemoteConfigError,
        NotImplementedError,
    ) as error:
        raise NeverRetry(
            "dvc_remote_unusable",
            f"the DVC remote {shown(url)} cannot be used: {_first_line(error).replace(url, shown(url))}",
            remote=shown(url),
        ) from error
    except OSError as error:
        if error.errno in NO_ROOM:
            raise sorted_error(error, Path(url)) from error
        raise unavailable(url, type(error).__name__) from error
    except AuthError as error:
        raise unavailable(url, "it refuses our credentials") from error
    except Exception as error:  # each kind of remote has a client, and errors, of its own
        raise unavailable(url, type(error).__name__) from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:300] if lines else type(error).__name__

"""The wheels that carry the servers; they come with the extra ``local`` and may be absent."""

from importlib.util import find_spec
from pathlib import Path

from service.local.servers.errors import EmbeddedServerError


def folder(package: str) -> Path:
    """Where ``package`` is installed; raises with what to do when it is not."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            f"the embedded servers need {package}, which is not installed;"
            " install the extra `local`: pip install 'laurel-lifecycle[local]'"
        )
    return Path(spec.origin).parent

"""The registry of model versions and its alias `prod`."""

from collections.abc import Mapping
from typing import Protocol

from domain.models import LoggedModel, RegisteredModel, RegisteredVersion


class ModelRegistry(Protocol):
    """Raises TryLater with `waiting_on="mlflow"` when it does not answer, NeverRetry when it refuses."""

    async def alias_version(self, model_name: str) -> int | None:
        """The version that the alias names; None only when the registry itself says that there is none.

        Everything else that goes wrong raises: an error is never "no champion".
        """

    async def registered(self, model_name: str) -> RegisteredModel | None:
        """The registered model; None only when the registry itself says that it does not exist."""

    async def mark(self, model_name: str, ledger_id: str) -> None:
        """Say which ledger the registered model belongs to. Safe to repeat; the last one wins."""

    async def highest_generation(self, model_name: str) -> int:
        """The highest generation that any version is tagged with; 0 without any."""

    async def version(self, model_name: str, version: int) -> RegisteredVersion | None:
        """One version; None only when the registry itself says that it does not exist."""

    async def resolved(self, model_name: str, version: RegisteredVersion) -> RegisteredVersion:
        """Follow a version's source to the logged model that holds its files.

        What that one says of itself (run, manifest, digest) stands in for what the version does not say: a
        person may have registered it. Nothing is written. One that others made comes back as it is, but for
        its source. Raises ModelUnusable for a source that leads nowhere.
        """

    async def look(self, version: RegisteredVersion) -> None:
        """See that a version has the files of a model, without loading any. Raises ModelUnusable."""

    async def register(
        self,
        model_name: str,
        model: LoggedModel,
        mlflow_run_id: str,
        tags: Mapping[str, str],
        *,
        description: str = "",
        is_new: bool = False,
    ) -> RegisteredVersion:
        """Find the version made from this source, or create it (and the registered model).

        A registered model that nobody has described is described, too.
        With `is_new` the caller knows that nobody can have registered it: it is not looked for first.
        """

    async def tag_version(
        self, model_name: str, version: int, tags: Mapping[str, str], *, description: str | None = None
    ) -> None:
        """Set tags of a version and, if given, its description. Safe to repeat."""

    async def mark_orphans(self, model_name: str, version: RegisteredVersion) -> None:
        """Mark other versions of the same source, made late by a slow request of ours. Safe to repeat."""

    async def set_alias(self, model_name: str, version: int) -> None:
        """Point the alias at a version. Last writer wins: only the ledger's projector calls this."""

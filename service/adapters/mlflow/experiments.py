"""The experiment that all runs of a deployment belong to."""

from typing import Any

from domain.errors import NeverRetry
from service.adapters.mlflow.errors import EXISTS, code_of, says_absent, well_formed
from service.adapters.mlflow.rest import MlflowRest


class Experiments:
    """Looks up one experiment by name, makes it when it is missing, and remembers its id."""

    def __init__(self, rest: MlflowRest, name: str) -> None:
        self._rest = rest
        self._name = name
        self._id: str | None = None

    async def id(self) -> str:
        """The experiment's id. Raises NeverRetry `mlflow_experiment_deleted`."""
        if self._id is None:
            self._id = await self._find() or await self._create()
        return self._id

    def forget(self) -> None:
        """Look it up anew the next time: it may have been deleted."""
        self._id = None

    async def _find(self) -> str | None:
        doing = "experiments/get-by-name"
        try:
            answer = await self._rest.get(doing, experiment_name=self._name)
        except NeverRetry as error:
            if says_absent(error, self._name):
                return None
            raise
        with well_formed(doing):
            return self._active(answer["experiment"])

    def _active(self, experiment: dict[str, Any]) -> str:
        if experiment["lifecycle_stage"] != "active":
            raise NeverRetry(
                "mlflow_experiment_deleted",
                f"the experiment {self._name} is deleted: restore it, or set another name",
                experiment=self._name,
            )
        return str(experiment["experiment_id"])

    async def _create(self) -> str:
        """Create it; who is second takes the first one's."""
        try:
            answer = await self._rest.post("experiments/create", {"name": self._name})
        except NeverRetry as error:
            found = await self._find() if code_of(error) == EXISTS else None
            if found is None:
                raise
            return found
        with well_formed("experiments/create"):
            return str(answer["experiment_id"])

"""The experiment that all runs of a deployment belong to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from domain.errors import NeverRetry, TryLater
from service.adapters.mlflow.answer_types import Experiment
from service.adapters.mlflow.errors import EXISTS, code_of, deleted, says_absent, well_formed
from service.adapters.mlflow.rest import MlflowRest

_NOTE: Final = "mlflow.note.content"
_ABOUT: Final = (
    "Trainings of Laurel, one run for each request. A run's name shows the request (the beginning of "
    "Laurel's run id), which versions of split, features and model it used, and how it ended."
)


class Experiments:
    """Looks up one experiment by name, makes it when it is missing, and remembers its id."""

    def __init__(self, rest: MlflowRest, name: str) -> None:
        self._rest = rest
        self._name = name
        self._id: str | None = None

    async def id(self) -> str:
        """The experiment's id. Raises TryLater `mlflow_experiment_deleted`."""
        if self._id is None:
            self._id = await self._find() or await self._create()
        return self._id

    def forget(self) -> None:
        """Look it up again the next time: it may have been deleted."""
        self._id = None

    async def look(self) -> Experiment | None:
        """The experiment, None when there is none. Raises TryLater `mlflow_experiment_deleted`."""
        doing = "experiments/get-by-name"
        try:
            answer = await self._rest.get(doing, experiment_name=self._name)
        except NeverRetry as error:
            if says_absent(error, self._name):
                return None
            raise
        with well_formed(doing):
            experiment = answer["experiment"]
            number, is_active = str(experiment["experiment_id"]), experiment["lifecycle_stage"] == "active"
        if not is_active:
            raise deleted(doing, "experiment", number, self._name)
        return experiment

    async def ping(self) -> None:
        """See that MLflow answers and that runs can be opened; a missing experiment is made by the first."""
        await self.look()

    @asynccontextmanager
    async def written_to(self) -> AsyncIterator[None]:
        """Tell a run that was deleted by itself from one that went with its experiment."""
        try:
            yield
        except TryLater as error:
            if error.waiting_on == "mlflow_run":
                await self.look()
            raise

    async def _find(self) -> str | None:
        found = await self.look()
        if found is None:
            return None
        with well_formed("experiments/get-by-name"):
            number = str(found["experiment_id"])
            is_described = any(tag["key"] == _NOTE and tag.get("value") for tag in found.get("tags", []))
        if not is_described:
            await self._describe(number)
        return number

    async def _describe(self, experiment_id: str) -> None:
        """Describe an experiment that nobody has described; who may not, leaves it as it is."""
        body = {"experiment_id": experiment_id, "key": _NOTE, "value": _ABOUT}
        with suppress(NeverRetry):
            await self._rest.post("experiments/set-experiment-tag", body)

    async def _create(self) -> str:
        """Create it; who is second takes the first one's."""
        try:
            body = {"name": self._name, "tags": [{"key": _NOTE, "value": _ABOUT}]}
            answer = await self._rest.post("experiments/create", body)
        except NeverRetry as error:
            found = await self._find() if code_of(error) == EXISTS else None
            if found is None:
                raise
            return found
        with well_formed("experiments/create"):
            return str(answer["experiment_id"])

"""What every ModelRegistry promises."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from mlflow import MlflowClient

from domain.errors import NeverRetry
from domain.models import LoggedModel
from domain.ports.model_registry import ModelRegistry
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.runtime.clock import SystemClock
from tests.fakes.experiment_tracker import FakeExperimentTracker
from tests.fakes.model_registry import FakeModelRegistry
from tests.worlds.servers import MlflowServer

Made = tuple[str, LoggedModel]
MakeModel = Callable[[], Awaitable[Made]]  # an MLflow run id and its logged model


@pytest.fixture
def name() -> str:
    return f"it's a price {uuid.uuid4()}"


class ModelRegistryContract:
    async def test_a_model_that_was_never_registered_has_no_alias(
        self, registry: ModelRegistry, name: str
    ) -> None:
        assert await registry.alias_version(name) is None

    async def test_a_registered_model_has_no_alias_until_one_is_set(
        self, registry: ModelRegistry, make_model: MakeModel, name: str
    ) -> None:
        run, model = await make_model()
        await registry.register(name, model, run, {})
        assert await registry.alias_version(name) is None

    async def test_the_alias_names_the_version_that_was_set_last(
        self, registry: ModelRegistry, make_model: MakeModel, name: str
    ) -> None:
        for expected in (1, 2):
            run, model = await make_model()
            version = await registry.register(name, model, run, {})
            await registry.set_alias(name, version.version)
            assert await registry.alias_version(name) == expected
        await registry.set_alias(name, 1)
        assert await registry.alias_version(name) == 1

    async def test_one_source_is_one_version(
        self, registry: ModelRegistry, make_model: MakeModel, name: str
    ) -> None:
        run, model = await make_model()
        first = await registry.register(name, model, run, {"laurel.generation": "1"})
        assert await registry.register(name, model, run, {"laurel.generation": "2"}) == first
        assert (first.version, first.source, first.mlflow_run_id) == (1, model.uri, run)
        assert first.tags["laurel.generation"] == "1"

    async def test_two_writers_of_one_new_tag_are_both_served(
        self, registry: ModelRegistry, make_model: MakeModel, name: str
    ) -> None:
        run, model = await make_model()
        made = await registry.register(name, model, run, {})
        for place in range(10):
            tags = {f"laurel.test_{place}": "7"}
            await asyncio.gather(*(registry.tag_version(name, made.version, tags) for _ in range(4)))
            found = await registry.version(name, made.version)
            assert found is not None
            assert found.tags.items() >= tags.items()

    async def test_a_version_is_read_with_its_tags(
        self, registry: ModelRegistry, make_model: MakeModel, name: str
    ) -> None:
        run, model = await make_model()
        manifest = '{"MLmodel":"' + "0" * 64 + '"}'
        made = await registry.register(name, model, run, {"laurel.manifest": manifest})
        await registry.tag_version(name, made.version, {"laurel.generation": "7", "feature_version": "2"})
        read = await registry.version(name, made.version)
        assert read is not None
        assert read.tags == {"laurel.manifest": manifest, "laurel.generation": "7", "feature_version": "2"}

    async def test_a_version_that_does_not_exist_is_none(
        self, registry: ModelRegistry, make_model: MakeModel, name: str
    ) -> None:
        assert await registry.version(name, 1) is None
        run, model = await make_model()
        await registry.register(name, model, run, {})
        assert await registry.version(name, 2) is None
        assert await registry.version(name, 2**53) is None  # more than its database can look for

    async def test_the_alias_cannot_name_a_version_that_does_not_exist(
        self, registry: ModelRegistry, make_model: MakeModel, name: str
    ) -> None:
        run, model = await make_model()
        await registry.register(name, model, run, {})
        with pytest.raises(NeverRetry) as refusal:
            await registry.set_alias(name, 99)
        assert refusal.value.reason == "mlflow_refused"


class TestFake(ModelRegistryContract):
    @pytest.fixture
    def registry(self) -> FakeModelRegistry:
        return FakeModelRegistry()

    @pytest.fixture
    def make_model(self) -> MakeModel:
        return _maker(FakeExperimentTracker())


class TestMlflow(ModelRegistryContract):
    async def test_a_description_is_written_with_the_version_and_a_persons_stays(
        self, registry: MlflowModelRegistry, make_model: MakeModel, name: str, mlflow_server: MlflowServer
    ) -> None:
        """A model that was there before is described once; what a person wrote about it is theirs."""
        client = MlflowClient(mlflow_server.tracking_uri, mlflow_server.tracking_uri)
        for own in ("", "ours since 2020"):
            model_name = f"{name}{own}"
            client.create_registered_model(model_name, description=own)
            assert await registry.alias_version(model_name) is None
            run, model = await make_model()
            made = await registry.register(model_name, model, run, {}, description="why 1")
            assert client.get_model_version(model_name, str(made.version)).description == "why 1"
            await registry.tag_version(model_name, made.version, {"laurel.generation": "2"}, description="2")
            assert client.get_model_version(model_name, str(made.version)).description == "2"
            about = client.get_registered_model(model_name).description
            assert about == own if own else "`prod`" in about

    @pytest.fixture
    async def rest(self, mlflow_server: MlflowServer) -> AsyncIterator[MlflowRest]:
        rest = MlflowRest(MlflowAccess(mlflow_server.tracking_uri))
        yield rest
        await rest.close()

    @pytest.fixture
    def registry(self, rest: MlflowRest) -> MlflowModelRegistry:
        return MlflowModelRegistry(rest)

    @pytest.fixture
    def make_model(self, rest: MlflowRest) -> MakeModel:
        return _maker(MlflowExperimentTracker(rest, "contract-registry", SystemClock()))

    async def test_a_tag_that_a_registry_might_cut_is_refused(
        self, registry: MlflowModelRegistry, make_model: MakeModel, name: str
    ) -> None:
        run, model = await make_model()
        with pytest.raises(NeverRetry) as refusal:
            await registry.register(name, model, run, {"laurel.manifest": "x" * 5001})
        assert refusal.value.reason == "mlflow_value_too_long"
        assert await registry.version(name, 1) is None


def _maker(tracker: FakeExperimentTracker | MlflowExperimentTracker) -> MakeModel:
    async def make() -> Made:
        run = await tracker.open_run(str(uuid.uuid4()), "price", {})
        return run.mlflow_run_id, await tracker.create_model(run, {}, {})

    return make

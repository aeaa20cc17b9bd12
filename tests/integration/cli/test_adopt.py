"""`laurel adopt` on the real registry and store: what it enters, what it refuses, what it leaves alone."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Connection, create_engine, text

from service.cli.console import Exit
from tests.unit.cli.calls import Laurel
from tests.worlds.foreign_models import ForeignModel, log_foreign, register_foreign, told_of
from tests.worlds.servers import MlflowServer, PostgresServer

FILES = {
    ("data_contracts", "v1"),
    ("features", "v1"),
    ("models", "v1"),
    ("models", "v2"),
    ("models", "v3"),
    ("reference", "v1"),
    ("splits", "v1"),
}


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """One transaction on a connection that does not stay."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


class TheirWorld:
    """What was there before Laurel, and what Laurel recorded of it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.config = Path(environment["CONFIG_ROOT"])
        self.data = Path(environment["DATA_ROOT"])
        self.model = environment["MLFLOW_MODEL_NAME"]
        self.tracking_uri = environment["MLFLOW_TRACKING_URI"]
        self._url = environment["DATABASE_URL"]
        self.reference = self.data / "reference" / "tests" / "v1" / "test_reference.parquet"
        self.reference.parent.mkdir(parents=True)
        pq.write_table(pa.table({"key": [1, 2, 3]}), self.reference)

    @property
    def theirs(self) -> Any:
        """Every file's bytes and times, and all that MLflow says."""
        files = {
            path: (path.read_bytes(), path.stat().st_mtime_ns)
            for root in (self.config, self.data)
            for path in root.rglob("*")
            if path.is_file()
        }
        return files, told_of(self.tracking_uri, self.model)

    @property
    def first_uses(self) -> dict[tuple[str, str], str]:
        """Kind and name → digest."""
        rows = self._rows("SELECT kind, name, digest FROM laurel.first_uses")
        return {(row.kind, row.name): row.digest for row in rows}

    @property
    def generations(self) -> list[tuple[int, int, str]]:
        """Generation, version and cause."""
        rows = self._rows("SELECT generation, version, cause FROM laurel.promotion_ledger ORDER BY 1")
        return [(row.generation, row.version, row.cause) for row in rows]

    def outbox(self) -> int:
        return len(self._rows("SELECT 1 FROM laurel.outbox"))

    def _rows(self, query: str) -> list[Any]:
        with connected(self._url) as connection:
            return list(connection.execute(text(query)))


@pytest.fixture
def world(environment: dict[str, str]) -> TheirWorld:
    """A deployment with config files and one reference."""
    return TheirWorld(environment)


@pytest.fixture(scope="module")
def foreign(mlflow_server: MlflowServer) -> ForeignModel:
    """A run that others logged."""
    frame = pd.DataFrame({"area": [1.0, 2.0, 3.0]})
    return log_foreign(mlflow_server.tracking_uri, "theirs", frame, [1.0, 2.0, 3.0], name="pipeline")


@pytest.fixture
def champion(world: TheirWorld, foreign: ForeignModel) -> int:
    """It is in production, and a version behind it is not."""
    register_foreign(world.tracking_uri, world.model, foreign, alias=None)
    return register_foreign(world.tracking_uri, world.model, foreign)


def standings(facts: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(file["kind"], file["name"]): file["standing"] for file in facts["files"]}


def why(facts: dict[str, Any], kind: str, name: str) -> str:
    """What is said of one file."""
    return next(str(file["why"]) for file in facts["files"] if (file["kind"], file["name"]) == (kind, name))


def test_all_of_it_is_entered_once_and_nothing_of_theirs_is_touched(
    laurel: Laurel, world: TheirWorld, champion: int
) -> None:
    before = world.theirs
    dry = laurel("adopt", "--dry-run", "--json")
    assert (dry.code, dry.json["champion"]["standing"]) == (Exit.DONE, "new")
    assert standings(dry.json) == dict.fromkeys(FILES, "new")
    assert (world.first_uses, world.generations) == ({}, [])

    adopted = laurel("adopt", "--json")
    assert (adopted.code, adopted.json["champion"]["standing"]) == (Exit.DONE, "recorded now")
    assert standings(adopted.json) == dict.fromkeys(FILES, "recorded now")
    assert world.generations == [(1, champion, "adopted")]
    paths = {(kind, name): world.config / kind / f"{name}.yaml" for kind, name in FILES}
    paths["reference", "v1"] = world.reference
    digests = {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in paths.items()}
    assert world.first_uses == digests

    again = laurel("adopt")
    assert (again.code, again.err) == (Exit.DONE, "nothing new: everything was recorded before\n")
    assert (world.generations, world.first_uses) == ([(1, champion, "adopted")], digests)
    assert world.outbox() == 0  # to announce it is the worker's
    assert world.theirs == before


def test_a_champion_of_others_is_told_with_what_it_takes_to_score_it(
    laurel: Laurel, world: TheirWorld, champion: int
) -> None:
    told = laurel("adopt", "--dry-run")
    assert f"{world.model}: 2 versions in the registry, 0 of them made by Laurel" in told.out
    assert f"champion: would be recorded: version {champion} as generation 1" in told.out
    assert f"version {champion} was not made by Laurel (saved with cloudpickle)" in told.out
    assert "only with ALLOW_FOREIGN_CHAMPION=true, since loading it runs its code" in told.out
    assert "its run lacks split_version, feature_version, model_version" in told.out
    assert "its artifact is named 'pipeline', not 'model'" in told.out

    for name in ("ALLOW_FOREIGN_CHAMPION", "MLFLOW__ALLOW_FOREIGN_CHAMPION"):
        allowed = laurel("adopt", "--dry-run", **{name: "true"})
        assert "scored by mlflow.pyfunc in a child process, as the settings allow" in allowed.out


def test_without_an_alias_the_first_promotion_will_be_the_first_generation(
    laurel: Laurel, world: TheirWorld
) -> None:
    ended = laurel("adopt", "--json")
    assert (ended.code, ended.json["champion"]["standing"]) == (Exit.DONE, "none")
    assert "the first model that passes the gate will be generation 1" in ended.json["champion"]["why"]
    assert (world.generations, set(world.first_uses)) == ([], FILES)


def _forget_the_version(world: TheirWorld, postgres: PostgresServer) -> None:
    """The registry deletes an alias with its version; one restored from a backup may name none."""
    with connected(postgres.create_database("mlflow")) as connection:
        query = "UPDATE registered_model_aliases SET version = 99 WHERE name = :name"
        connection.execute(text(query), {"name": world.model})


def _lose_the_files(world: TheirWorld, _: PostgresServer) -> None:
    client = mlflow.MlflowClient(world.tracking_uri, world.tracking_uri)
    version = client.get_model_version_by_alias(world.model, "prod")
    gone = f"{client.get_run(version.run_id).info.artifact_uri}/gone"
    lost = client.create_model_version(world.model, gone, version.run_id)
    client.set_registered_model_alias(world.model, "prod", lost.version)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (_forget_the_version, "the registry does not hold it"),
        (_lose_the_files, "/gone has no files"),
    ],
    ids=["version", "files"],
)
@pytest.mark.usefixtures("champion")
def test_an_alias_that_points_nowhere_is_refused_with_what_to_do(
    break_it: Callable[[TheirWorld, PostgresServer], None],
    said: str,
    laurel: Laurel,
    world: TheirWorld,
    postgres_server: PostgresServer,
) -> None:
    break_it(world, postgres_server)
    ended = laurel("adopt")
    assert ended.code == Exit.NO
    assert said in ended.err
    assert "point the alias at a complete version, or delete the alias" in ended.err
    assert (world.first_uses, world.generations) == ({}, [])


def test_files_that_cannot_be_used_are_named_with_their_faults_and_not_recorded(
    laurel: Laurel, world: TheirWorld
) -> None:
    (world.config / "models" / "v2.yaml").write_text("version: 2\nmodel: {type: svm, params: {}}\n")
    (world.config / "models" / "v3.yaml").write_text("version: [3\n")
    shutil.copy(world.config / "data_contracts" / "v1.yaml", world.config / "data_contracts" / "v2.yaml")
    features = (world.config / "features" / "v1.yaml").read_text(encoding="utf-8")
    for number, contract in ((2, 2), (3, 7)):
        renamed = features.replace("version: 1", f"version: {number}").replace(
            "data_contract: 1", f"data_contract: {contract}"
        )
        (world.config / "features" / f"v{number}.yaml").write_text(renamed, encoding="utf-8")
    for name, write in (("v2", Path.mkdir), ("v3", _no_parquet), ("v4", _empty)):
        path = world.data / "reference" / "tests" / name / "test_reference.parquet"
        path.parent.mkdir()
        write(path)

    ended = laurel("adopt", "--json")

    assert ended.code == Exit.NO
    unusable = {key for key, standing in standings(ended.json).items() if standing == "unusable"}
    assert unusable == {
        ("data_contracts", "v2"),
        *(("features", name) for name in ("v2", "v3")),
        *(("models", name) for name in ("v2", "v3")),
        *(("reference", name) for name in ("v2", "v3", "v4")),
    }
    assert why(ended.json, "models", "v2").startswith("models/v2.yaml:2: ")
    assert why(ended.json, "models", "v3").startswith("models/v3.yaml:")
    assert why(ended.json, "features", "v2") == "it names data_contracts/v2.yaml, which cannot be used"
    assert why(ended.json, "features", "v3").endswith(": data_contracts/v7.yaml does not exist")
    assert "it is a link, or not a regular file" in why(ended.json, "reference", "v2")
    assert "no row" in why(ended.json, "reference", "v4")
    assert set(world.first_uses) == FILES - unusable


def _no_parquet(path: Path) -> None:
    path.write_bytes(b"not a table, whatever its name")


def _empty(path: Path) -> None:
    pq.write_table(pa.table({"key": pa.array([], pa.int64())}), path)


def test_what_differs_from_its_first_use_is_told_and_nothing_is_overwritten(
    laurel: Laurel, world: TheirWorld
) -> None:
    assert laurel("adopt").code == Exit.DONE
    recorded = world.first_uses
    model = world.config / "models" / "v2.yaml"
    model.write_bytes(model.read_bytes() + b"# a word more\n")
    world.reference.unlink()

    ended, told = laurel("adopt", "--json"), laurel("adopt")

    assert (ended.code, told.code) == (Exit.NO, Exit.NO)
    assert told.err.startswith("nothing new: everything else was recorded before\n")
    differs = {key for key, standing in standings(ended.json).items() if standing == "differs"}
    assert differs == {("models", "v2"), ("reference", "v1")}
    assert recorded["models", "v2"] in why(ended.json, "models", "v2")
    assert hashlib.sha256(model.read_bytes()).hexdigest() in why(ended.json, "models", "v2")
    assert why(ended.json, "reference", "v1").endswith("it is missing")
    assert world.first_uses == recorded


def test_defaults_that_cannot_be_read_are_told_beside_the_rest(laurel: Laurel, world: TheirWorld) -> None:
    (world.config / "active_config.yaml").write_text("training_defaults: 3\n")
    ended = laurel("adopt", "--json")
    assert ended.json["defaults"] is None
    assert "active_config.yaml:" in ended.json["defaults_fault"]


def test_a_registry_without_that_model_asks_about_its_name(laurel: Laurel, world: TheirWorld) -> None:
    ended = laurel("adopt", "--dry-run")
    assert f"{world.model}: 0 versions in the registry" in ended.out
    assert "correct MLFLOW_MODEL_NAME or MLFLOW_TRACKING_URI" in ended.out


def test_a_root_that_is_not_there_is_told_by_its_setting(laurel: Laurel, tmp_path: Path) -> None:
    ended = laurel("adopt", DATA_ROOT=str(tmp_path / "nowhere"))
    assert ended.code == Exit.USAGE
    assert f"DATA_ROOT: {tmp_path / 'nowhere'} is not a directory" in ended.err


def test_a_store_without_a_schema_is_told_what_to_run(laurel: Laurel, empty_database_url: str) -> None:
    ended = laurel("adopt", DATABASE_URL=empty_database_url)
    assert ended.code == Exit.USAGE
    assert "run `laurel db upgrade`" in ended.err

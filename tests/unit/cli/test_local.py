"""`laurel up` and `laurel demo` refuse, before anything starts, what cannot go well."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.cli.console import Exit
from service.cli.world_file import write_world_file
from service.local.laurel import LocalLaurel, LocalOptions
from service.local.servers.folder import FolderLock
from service.local.servers.ports import LOOPBACK, free_port
from service.local.servers.stack import Addresses, Ports
from tests.unit.cli.calls import Laurel


@pytest.fixture
def taken() -> Iterator[int]:
    """The first of six ports, of which the fourth, MLflow's, is taken."""
    base = free_port(6)
    with socket.socket() as holder:
        holder.bind((LOOPBACK, base + 3))
        holder.listen()
        yield base


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_port_that_is_taken_is_named_with_the_mend(
    command: str, taken: int, laurel: Laurel, tmp_path: Path
) -> None:
    ended = laurel(command, "--port-base", taken)

    assert ended.code == Exit.USAGE
    assert f"port {taken + 3} (mlflow)" in ended.err
    assert "--port-base N" in ended.err
    assert not list(tmp_path.rglob("*.log")), "something was started"


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_terminal_that_loaded_the_last_starts_settings_starts_its_servers_again(
    command: str, taken: int, laurel: Laurel, tmp_path: Path
) -> None:
    """Its MLflow is no foreign one: the port that it had is needed for it."""
    (tmp_path / "home").mkdir()
    addresses = {
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{taken}",
        "DATABASE_URL": f"postgresql://laurel@127.0.0.1:{taken + 2}/laurel",
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{taken + 3}",
    }
    write_world_file(addresses, tmp_path / "home", own=addresses)

    ended = laurel(command, "--home", "home", "--port-base", taken, **addresses)

    assert ended.code == Exit.USAGE
    assert f"servers are started again: {', '.join(addresses)}" in " ".join(ended.err.split())
    assert f"port {taken + 3} (mlflow)" in ended.err


def test_the_port_of_a_server_that_runs_elsewhere_is_not_needed(taken: int, tmp_path: Path) -> None:
    here = LocalOptions(
        tmp_path,
        {},
        ports=Ports(kafka=taken, postgres=taken + 2, mlflow=taken + 3),
        worker_port=taken + 4,
        listener_port=taken + 5,
    )
    elsewhere = replace(here, external=Addresses(tracking_uri="http://mlflow:5000"))

    assert here.taken_ports() == {taken + 3: "mlflow"}
    assert elsewhere.taken_ports() == {}


def test_only_servers_that_it_starts_are_a_worlds_own(tmp_path: Path) -> None:
    elsewhere = Addresses(tracking_uri="http://mlflow:5000")
    whole = LocalLaurel(LocalOptions(tmp_path, {}, inference_ports=(1,)), _nobody_listens)
    part = LocalLaurel(LocalOptions(tmp_path, {}, external=elsewhere), _nobody_listens)
    assert part.own_addresses == ["KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"]
    assert whole.own_addresses == [*part.own_addresses, "MLFLOW_TRACKING_URI", "INFERENCE_API_URL"]


def _nobody_listens(*_: object) -> None:
    """Hears of no progress."""


def test_a_second_laurel_in_the_same_place_is_refused(laurel: Laurel, tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "home" / "servers", "world")
    lock.acquire()
    try:
        ended = laurel("up", "--home", "home")
    finally:
        lock.release()

    assert ended.code == Exit.USAGE
    assert "already" in ended.err
    assert "--home OTHER" in ended.err


def test_settings_that_the_roles_would_refuse_are_refused_at_once(laurel: Laurel) -> None:
    ended = laurel("up", WORKER__LEASE_SECONDS="0", LOG__LEVEL="LOUD")

    assert ended.code == Exit.USAGE
    assert {line.split(":")[0] for line in ended.err.splitlines()} == {
        "WORKER__LEASE_SECONDS",
        "LOG__LEVEL",
        "laurel",
    }


def test_ones_own_configuration_needs_ones_own_data(laurel: Laurel) -> None:
    ended = laurel("up", CONFIG_ROOT="/srv/config")

    assert ended.code == Exit.USAGE
    assert "DATA_ROOT: is not set" in ended.err


@pytest.mark.parametrize("base", ["80", "32767", "many"])
def test_ports_that_could_not_serve_are_wrong_usage(base: str, laurel: Laurel) -> None:
    assert laurel("up", "--port-base", base).code == Exit.USAGE


def test_a_misspelt_address_and_a_model_without_a_name_are_told_before_anything_starts(
    taken: int, laurel: Laurel, tmp_path: Path
) -> None:
    """Else a server of its own would be started in the place of the one that was meant."""
    roots = {"CONFIG_ROOT": str(tmp_path), "DATA_ROOT": str(tmp_path)}
    given = {**roots, "KAFKA_BOOTSTRAP_SERVER": "kafka:9092"}

    told = laurel("up", "--port-base", taken, **given).err

    assert "KAFKA_BOOTSTRAP_SERVER is not a setting; did you mean KAFKA_BOOTSTRAP_SERVERS?" in told
    assert "MLFLOW_MODEL_NAME is not set: the model is 'construction_cost_model'" in told
    assert "MLFLOW_MODEL_NAME" not in laurel("up", "--port-base", taken).err

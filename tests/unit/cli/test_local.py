"""`laurel up` and `laurel demo` refuse, before anything starts, what cannot go well."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.cli.console import Exit
from service.embedded.folder import FolderLock
from service.embedded.ports import LOOPBACK, free_port
from service.embedded.world import Addresses, Ports
from service.local_laurel import LocalOptions
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

"""`laurel up` beside servers that run already: ready, refused a second time, ended by Ctrl-C and by force."""

from pathlib import Path

import psycopg
import pytest

from service.cli.console import Exit
from service.local.servers.databases import plain_url
from service.local.servers.ports import free_port
from tests.integration.cli.processes import left_of, process
from tests.kit.eventually import eventually
from tests.unit.cli.calls import Laurel
from tests.unit.cli.test_world_file import loaded_from

RUNNING = "Ctrl-C ends everything"


@pytest.fixture
def base() -> int:
    return free_port(6)


async def test_it_says_where_everything_is_and_leaves_nothing_behind(
    base: int, environment: dict[str, str], laurel: Laurel, tmp_path: Path
) -> None:
    """An address in the environment is used: the two roles are all that is started."""
    home = tmp_path / "home"
    given = {"GATE__METRIC": "mae", "MLFLOW__ALIAS": "live", "KAFKA__PARTITIONS": "2"}
    with process("up", "--home", home, "--port-base", base, **environment, **given) as up:
        up.until(RUNNING)
        started = up.descendants()
        same_place = laurel("up", "--home", home, "--port-base", free_port(6))
        same_ports = laurel("up", "--home", tmp_path / "other", "--port-base", base)
        up.interrupt()
        code = up.end()

    assert not left_of(started)
    assert code == Exit.INTERRUPTED
    assert up.lines[-1] == "ended; nothing is left running\n"
    assert f"{environment['MLFLOW_TRACKING_URI']}/#/experiments/" in up.text
    assert "postgres" not in up.text
    assert f"{base + 4}/health/ready" in up.text
    env = home / "env"
    loaded = loaded_from(env)
    key = home / "keys" / "signing.pem"
    wanted = {**environment, **given, "DATABASE_URL": plain_url(environment["DATABASE_URL"])}
    assert wanted.items() <= loaded.items()
    assert loaded["SIGNING__KEY_FILE"] == str(key)
    with psycopg.connect(loaded["DATABASE_URL"]) as as_others_connect:
        assert as_others_connect.info.dbname
    assert "servers that it started" not in env.read_text(encoding="utf-8"), "all were given to it"
    assert env.stat().st_mode & 0o077 == 0
    assert key.stat().st_mode & 0o177 == 0
    assert same_place.code == same_ports.code == Exit.USAGE
    assert "already" in same_place.err
    assert f"{base + 4} (worker)" in same_ports.err
    assert "--port-base N" in same_ports.err


async def test_killed_it_takes_everything_along(
    base: int, environment: dict[str, str], tmp_path: Path
) -> None:
    with process("up", "--home", tmp_path / "home", "--port-base", base, **environment) as up:
        up.until("reload-listener  starting")
        started = up.descendants()
        up.kill()
        await eventually(lambda: not left_of(started))

    assert started

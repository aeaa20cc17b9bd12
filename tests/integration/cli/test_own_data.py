"""`docs/own-data.md`, typed by a stranger: its commands as they stand, from the built wheel, in a fresh home.

One story for all of it: a wheel, an environment, three roles and two trainings take 60 s on two cores.
The servers are the session's, as an address in the environment says; nothing is fetched.

Its cost: what the page asks for: a built wheel, a fresh installation, a world that starts cold.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from service.local.servers.ports import free_port
from tests.integration.cli.processes import left_of, process_of
from tests.kit.alert_rules import ROOT
from tests.worlds.built_wheel import build_wheel, lend_packages

_SERVERS = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "MLFLOW_TRACKING_URI")
_PORT = 18082  # of the inference server, as the page has it
_STAYS = "laurel up"


def blocks() -> list[str]:
    """Every block of commands, in order."""
    text = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


@pytest.mark.timeout(300)
def test_a_stranger_who_types_the_page_has_a_model_that_answers(
    environment: dict[str, str], model: str, tmp_path: Path
) -> None:
    base, place, source = free_port(9), tmp_path / "place", tmp_path / "source"
    place.mkdir()
    source.mkdir()
    build_wheel(place, source)
    outside = _outside(tmp_path, environment, base)
    first, second = _terminals(base, model)
    with process_of(("/bin/bash", "-e", "-c", first), outside, place) as up:
        up.until("Ctrl-C ends everything")
        started = up.descendants()
        command = ("/bin/bash", "-e", "-c", second)
        typed = subprocess.run(  # noqa: S603 - what the page says
            command, env=outside, cwd=place, capture_output=True, text=True, check=False
        )
        up.interrupt_all()
        up.end()
    said = typed.stdout + typed.stderr
    assert typed.returncode == 0, said
    assert re.search(r'"prediction": ?(\d+)\.\d+', said), said
    price = float(re.findall(r'"prediction": ?([\d.]+)', said)[0])
    assert 80_000 < price < 125_000  # 900 · 80 · 1.4, give or take
    assert "every file is usable" in said
    assert not left_of(started)


def _outside(folder: Path, environment: dict[str, str], base: int) -> dict[str, str]:
    """A fresh home, no network, the session's servers, and ports that no neighbour has."""
    home = folder / "home"
    home.mkdir()
    path = f"{lend_packages(folder)}:/usr/bin:/bin"
    kept = {name: environment[name] for name in _SERVERS}
    return kept | {
        "PATH": path,
        "HOME": str(home),
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PORT_BASE": str(base),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
    }


def _terminals(base: int, model: str) -> tuple[str, str]:
    """What is typed in the first terminal, to the command that stays, and in the second."""
    own = [block.replace(f":{_PORT}", f":{base + 6}").replace("flat_price", model) for block in blocks()]
    stays = next(number for number, block in enumerate(own) if block.startswith(_STAYS))
    return "\n".join(own[: stays + 1]), "\n".join(own[stays + 1 :])

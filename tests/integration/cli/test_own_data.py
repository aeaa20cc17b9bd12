"""`docs/own-data.md`, typed by a stranger: its commands as they stand, from the built wheel, in a fresh home.

One story for all of it: a wheel, an environment, three roles and two trainings take 60 s on two cores.
The servers are the session's, as an address in the environment says; nothing is fetched. `make test` types
the page up to `laurel up`, and lets the wheel check what was written; `make soak` types all of it.

Its cost: a built wheel and a fresh installation.
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
# What the wheel needs is lent, as the whole story proves: to look for it takes pip ten seconds.
_QUICK_PIP = {"PIP_NO_DEPS": "1", "PIP_NO_COMPILE": "1"}


def blocks() -> list[str]:
    """Every block of commands, in order."""
    text = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder in which a stranger has put the wheel."""
    place, source = tmp_path / "place", tmp_path / "source"
    place.mkdir()
    source.mkdir()
    build_wheel(place, source)
    return place


def test_what_a_stranger_installs_and_writes_by_the_page_is_usable(tmp_path: Path, place: Path) -> None:
    first, second = _terminals(free_port(9), "flat_price")
    until_it_stays = first.partition(_STAYS)[0]
    (checked,) = (line for line in second.splitlines() if line.startswith("laurel config check"))
    outside = _outside(tmp_path, _QUICK_PIP, 0)
    said = _typed(f"{until_it_stays}\n{checked}", outside, place)
    assert "every file is usable" in said
    assert re.search(r"^laurel \d+\.\d+", said, re.MULTILINE), said


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_stranger_who_types_the_page_has_a_model_that_answers(
    environment: dict[str, str], model: str, tmp_path: Path, place: Path
) -> None:
    base = free_port(9)
    outside = _outside(tmp_path, {name: environment[name] for name in _SERVERS}, base)
    first, second = _terminals(base, model)
    with process_of(("/bin/bash", "-e", "-c", first), outside, place) as up:
        up.until("Ctrl-C ends everything")
        started = up.descendants()
        said = _typed(second, outside, place)
        up.interrupt_all()
        up.end()
    assert re.search(r'"prediction": ?(\d+)\.\d+', said), said
    price = float(re.findall(r'"prediction": ?([\d.]+)', said)[0])
    assert 80_000 < price < 125_000  # 900 · 80 · 1.4, give or take
    assert "every file is usable" in said
    assert not left_of(started)


def _typed(lines: str, environment: dict[str, str], folder: Path) -> str:
    """What is said to these lines, none of which may fail."""
    done = subprocess.run(  # noqa: S603 - what the page says
        ("/bin/bash", "-e", "-c", lines),
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def _outside(folder: Path, more: dict[str, str], base: int) -> dict[str, str]:
    """A fresh home, no network, ports that no neighbour has, and more."""
    home = folder / "home"
    home.mkdir()
    path = f"{lend_packages(folder)}:/usr/bin:/bin"
    return more | {
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

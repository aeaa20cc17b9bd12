"""What the files for containers promise, read without an engine; `make compose` runs them."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
COMPOSED: Final = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSED["services"]
OURS: Final = [name for name, service in SERVICES.items() if "laurel" in service["image"]]
each_service: Final = pytest.mark.parametrize("name", SERVICES)


@each_service
def test_nothing_is_published_beyond_this_machine(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@each_service
def test_no_container_has_capabilities_or_gains_privileges(name: str) -> None:
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"cap_add", "privileged", "pid", "ipc", "devices"} & set(service)


@each_service
def test_no_image_floats(name: str) -> None:
    assert re.search(r":[\w.-]*\d", SERVICES[name]["image"]), "a tag that says which version"


@pytest.mark.parametrize("name", OURS)
def test_ours_run_as_nobody_on_a_read_only_root(name: str) -> None:
    service = SERVICES[name]

    assert service["user"] == "65532:65532"
    assert service["read_only"] is True


@pytest.mark.parametrize("name", ["worker", "reload-listener", "notifier"])
def test_a_role_can_be_scaled(name: str) -> None:
    """Two containers may share neither a name nor a port of the machine."""
    assert not {"container_name", "hostname", "ports"} & set(SERVICES[name])
    assert "WORKER__ID" not in SERVICES[name]["environment"]


def test_containers_and_wheels_bring_the_same_kafka() -> None:
    jars = (ROOT / "service" / "embedded" / "kafka_jars.txt").read_text(encoding="utf-8")
    version = SERVICES["kafka"]["image"].partition(":")[2]

    assert f"kafka-clients-{version}" in jars.replace(":", "-")


def test_the_image_is_made_of_hashed_locks_and_its_first_process_is_an_init() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    installs = re.findall(r"pip install (.*)", dockerfile)

    assert installs
    assert all("--require-hashes" in install or "--no-index" in install for install in installs)
    assert 'ENTRYPOINT ["tini", "--"]' in dockerfile
    assert re.findall(r"^USER (.*)", dockerfile, re.MULTILINE) == ["65532:65532"]

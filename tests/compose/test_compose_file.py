"""What the files for containers promise, read without an engine; `make compose` runs them."""

import os
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from config.inference_settings import InferenceSettings
from config.settings import settings_with
from service.adapters.cryptography.ed25519 import Ed25519Signer, Ed25519Verifier
from service.local.compose_secrets import make
from service.runtime.component_list import component_list

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
def test_memory_and_processes_are_bounded(name: str) -> None:
    assert SERVICES[name]["mem_limit"]
    assert SERVICES[name]["pids_limit"] >= 256


@each_service
def test_no_secret_stands_in_a_command_line_or_has_a_value_here(name: str) -> None:
    service = SERVICES[name]
    said = [*map(str, service.get("command", ())), *map(str, service.get("environment", {}).values())]
    assert not [text for text in said if re.search(r"://[^/@]*:[^/@]*@", text)]
    secret = re.compile(r"PASSWORD|TOKEN", re.IGNORECASE)
    given = {key: text for key, text in service.get("environment", {}).items() if secret.search(key)}
    assert all(text.endswith(":-}") or key.endswith("_FILE") for key, text in given.items())


def test_only_laurels_own_roles_see_the_key_that_signs() -> None:
    seeing = {name for name, one in SERVICES.items() if "secrets-of-roles" in str(one.get("volumes"))}
    assert seeing == {"secrets", "topics", "worker", "reload-listener", "api", "notifier"}


@pytest.mark.usefixtures("own_environment")
def test_secrets_are_made_once_and_read_by_the_roles(tmp_path: Path) -> None:
    odd = "a 'b\\c$d:"
    make(tmp_path, {"API_BASIC_PASSWORD": odd})
    made = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    make(tmp_path, {"POSTGRES_PASSWORD": ""})
    assert made == {path: path.read_bytes() for path in made}
    open_ones = [path.name for path in made if path.stat().st_mode & 0o077]
    assert [name for name in open_ones if not name.startswith("verification")] == ["password"]

    os.environ["API__BASIC_USER"] = "laurel"
    password = (tmp_path / "postgres" / "password").read_text()
    os.chdir(tmp_path / "roles")
    roles = settings_with(
        config_root="x", data_root="x", kafka_bootstrap_servers="k:9092", mlflow_tracking_uri="http://m:5000"
    )
    assert (roles.database_password, len(password)) == (password, 32)
    assert roles.api.basic_password is not None
    assert roles.api.basic_password.get_secret_value() == odd
    assert set(roles.api.tokens) == {"local"}

    os.chdir(tmp_path / "inference")
    served = InferenceSettings(mlflow_tracking_uri=roles.mlflow_tracking_uri)
    assert served.inference_internal_token == roles.inference_internal_token
    signing, verification = roles.signing.key_file, served.inference.verification_key_file
    assert signing is not None
    assert verification is not None
    assert Ed25519Verifier(verification).verify(b"model", Ed25519Signer(signing).sign(b"model"))


@each_service
def test_no_image_floats(name: str) -> None:
    image = SERVICES[name]["image"]
    assert re.search(r":[\w.-]*\d", image), "a tag that says which version"
    assert name in OURS or re.search(r"@sha256:[0-9a-f]{64}$", image), (
        "others may give a tag to another image"
    )


def test_our_images_are_made_from_a_base_that_is_named_by_digest() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+) AS|^FROM (\S+)$", dockerfile, re.MULTILINE)
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.MULTILINE))

    assert {base or last for base, last in bases} - stages == {"${PYTHON_IMAGE}"}
    assert re.search(r"^ARG PYTHON_IMAGE=\S+@sha256:[0-9a-f]{64}$", dockerfile, re.MULTILINE)


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
    jars = (ROOT / "service" / "local" / "servers" / "kafka_jars.txt").read_text(encoding="utf-8")
    version = SERVICES["kafka"]["image"].partition(":")[2].partition("@")[0]

    assert f"kafka-clients-{version}" in jars.replace(":", "-")


def test_the_image_is_made_of_hashed_locks_and_its_first_process_is_an_init() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    installs = re.findall(r"pip install (.*)", dockerfile)

    assert installs
    assert all("--require-hashes" in install or "--no-index" in install for install in installs)
    assert 'ENTRYPOINT ["tini", "--"]' in dockerfile
    assert re.findall(r"^USER (.*)", dockerfile, re.MULTILINE) == ["65532:65532"]


def test_the_list_of_components_names_every_library_once_with_its_version() -> None:
    listed = component_list()
    locked = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    wanted = dict(re.findall(r"^([a-z0-9][\w.-]*)==([^ ;\\]+)", locked, re.MULTILINE))
    found = {one["name"]: one["version"] for one in listed["components"]}
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.6")
    assert len(found) == len(listed["components"]) == len({one["purl"] for one in listed["components"]})
    for name in ("skops", "scikit-learn", "psycopg", "mlflow"):
        assert found[name] == wanted[name]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert dockerfile.count("service.runtime.component_list > /opt/laurel/sbom.cdx.json") == 2

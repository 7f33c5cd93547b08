import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[1]
COMPOSE = REPOSITORY / "docker-compose.yml"
SERVICES = ("temporal-database", "temporal", "temporal-ui", "database", "aitia")
PASSWORD = re.compile(r"\$\{(AITIA|TEMPORAL)_DB_PASSWORD:-development-only\}")

each_service = pytest.mark.parametrize("name", SERVICES)


@cache
def compose() -> dict[str, Any]:
    written: dict[str, Any] = YAML(typ="safe").load(COMPOSE)
    return written


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"][name]
    return found


def dockerfile() -> list[str]:
    return (REPOSITORY / "Dockerfile").read_text().splitlines()


def docker_composes() -> bool:
    docker = shutil.which("docker")
    asked = docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    return bool(asked and asked.returncode == 0)


@pytest.mark.skipif(not docker_composes(), reason="`docker compose` is not installed here")
def test_docker_compose_accepts_the_file() -> None:
    ran = subprocess.run(
        ["docker", "compose", "-f", COMPOSE, "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_services_are_the_ones_we_promise() -> None:
    assert tuple(compose()["services"]) == SERVICES


@each_service
def test_every_image_is_pinned_to_a_version(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:\d+\.\d+[\w.-]*", service(name)["image"])


@each_service
def test_every_service_says_whether_it_is_healthy(name: str) -> None:
    assert service(name)["healthcheck"]["test"][0] == "CMD"


@each_service
def test_every_port_is_bound_to_loopback(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service(name).get("ports", ()))


@each_service
def test_who_depends_on_another_waits_until_it_is_healthy(name: str) -> None:
    waits = service(name).get("depends_on", {}).values()
    assert all(wait == {"condition": "service_healthy"} for wait in waits)


@each_service
def test_a_password_comes_from_the_environment(name: str) -> None:
    """Only the default that says of itself what it is for may stand in the file."""
    environment = {key: str(value) for key, value in service(name).get("environment", {}).items()}
    secret = [value for key, value in environment.items() if re.search("PASSWORD|PWD|DATABASE_URL", key)]
    assert all(PASSWORD.search(value) for value in secret)


@pytest.mark.parametrize("name", ["temporal-database", "database", "aitia"])
def test_what_must_last_lies_in_a_named_volume(name: str) -> None:
    kept = {mount.split(":")[0] for mount in service(name)["volumes"]}
    assert kept <= set(compose()["volumes"])


def test_aitia_finds_its_temporal_by_the_services_name() -> None:
    assert service("aitia")["environment"]["TEMPORAL_ADDRESS"] == "temporal:7233"


def test_aitia_keeps_its_records_in_postgresql() -> None:
    assert service("aitia")["environment"]["AITIA_DATABASE_URL"].startswith("postgresql+psycopg://")


def test_the_image_installs_only_packages_whose_hash_is_known() -> None:
    installs = [line for line in dockerfile() if "pip install" in line and "requirements" in line]
    assert all("--require-hashes" in line for line in installs)


def test_the_image_does_not_run_as_root() -> None:
    assert [line for line in dockerfile() if line.startswith("USER ")] == ["USER aitia"]


def test_the_image_is_built_on_a_pinned_base() -> None:
    assert dockerfile()[1] == "FROM python:3.11-slim"


@pytest.mark.parametrize("line", [line for line in dockerfile() if line.startswith("COPY ")])
def test_what_the_image_copies_is_let_through(line: str) -> None:
    allowed = (REPOSITORY / ".dockerignore").read_text().split()
    assert all(f"!{source}" in allowed for source in line.split()[1:-1])


def test_the_lock_file_pins_every_package_with_its_hashes() -> None:
    entries = re.split(r"\n(?=\S)", (REPOSITORY / "requirements.lock").read_text().strip())
    assert all(re.match(r"[\w.\[\],-]+==\S+", entry) and "--hash=sha256:" in entry for entry in entries)


def test_the_lock_file_names_no_download_host() -> None:
    assert "://" not in (REPOSITORY / "requirements.lock").read_text()


def test_every_target_of_the_makefile_is_explained() -> None:
    shown = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    targets = {line.split()[1] for line in shown.splitlines()}
    phony = next(line for line in (REPOSITORY / "Makefile").read_text().splitlines() if ".PHONY:" in line)
    assert targets == set(phony.split()[1:]) - {"ready", "packages"}

"""The pages of docs/: what they tell people to paste is sound, and what they name is there."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from integrations.backends.written import SourcesFile
from integrations.connections import ConnectionFile
from integrations.plain_alerts import parse_plain
from integrations.redaction import Redaction
from integrations.slack_setup import SCOPES
from playbooks.people import People
from playbooks.written import read_as
from tests.kubernetes.people import NEEDED
from workers.door.app import door
from workers.door.guard import SIGNED
from workers.environment import variables
from workers.house import House
from workers.secret_files import ENDING, secret_names
from workers.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
MODELS: Mapping[str, type[BaseModel]] = {
    "sources.yaml": SourcesFile,
    "people.yaml": People,
    "redaction.yaml": Redaction,
    "connections.d/shop.yaml": ConnectionFile,
}
OTHERS = {
    "settings.yaml",
    "Slack app manifest",
    "alertmanager.yml",
    "prometheus rules",
    "grafana provisioning",
    "otel-collector.yaml",
    "kubernetes",
}
SETTING = re.compile(r"`((?:slack|pagerduty|servicenow|door|otlp|telemetry|body|inflated)_\w+)`")


class Block(NamedTuple):
    """A block of code of a page; ``file`` is what its first line says that it is."""

    page: str
    language: str
    file: str
    text: str


def blocks() -> list[Block]:
    return [block for page in PAGES for block in _of_page(page)]


def _of_page(page: Path) -> Iterator[Block]:
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
        first = text.splitlines()[0]
        yield Block(page.name, language, first.removeprefix("# ") if first.startswith("# ") else "", text)


def called(*files: str) -> list[Any]:
    """The blocks of these files, each as a case of its own."""
    chosen = [block for block in blocks() if block.file in files]
    return [pytest.param(block, id=f"{block.page}-{number}") for number, block in enumerate(chosen)]


def yaml(block: Block) -> Any:
    return YAML(typ="safe").load(block.text)


@cache
def paths(home: Path) -> frozenset[str]:
    """Every path of the door."""
    house = House(Settings.model_validate({"home": home, "TEMPORAL_ADDRESS": "127.0.0.1:9"}))
    described, own = (
        door(house).openapi()["paths"],
        (getattr(each, "path", "") for each in door(house).routes),
    )
    return frozenset({*described, *own, *SIGNED})


@pytest.mark.parametrize("block", [pytest.param(block, id=block.page) for block in blocks()])
def test_every_block_says_what_it_is(block: Block) -> None:
    assert block.language in {"json", "sh"} or block.file in {*MODELS, *OTHERS}


@pytest.mark.parametrize("block", called(*MODELS))
def test_what_is_to_be_pasted_can_be_read(block: Block) -> None:
    assert read_as(MODELS[block.file], block.text, block.page).problems == ()


@pytest.mark.parametrize("block", called("settings.yaml"))
def test_settings_that_are_to_be_pasted_are_sound(block: Block, tmp_path: Path) -> None:
    secrets = {name + ENDING for name in secret_names(Settings.model_fields)}
    text = block.text
    for name in secrets & set(yaml(block)):
        (tmp_path / name).write_text("made-up")
        text = re.sub(rf"(?m)^({name}):.*$", rf"\1: {tmp_path / name}", text)
    (tmp_path / "settings.yaml").write_text(text)
    assert Settings(home=tmp_path).model_fields_set > {"home"}


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_every_variable_that_a_page_names_is_one(page: Path) -> None:
    named = set(re.findall(r"AITIA_[A-Z_]*[A-Z]", page.read_text()))
    assert named - {"AITIA_NAME_FILE"} <= variables()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_a_page_names_is_one(page: Path) -> None:
    known = {*Settings.model_fields, *(name + ENDING for name in secret_names(Settings.model_fields))}
    assert set(SETTING.findall(page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_of_the_door_that_a_page_names_is_one(page: Path, tmp_path: Path) -> None:
    named = set(re.findall(r"/webhooks/\w+|(?<=[`g])/slack/\w+|(?<=`)/v1/\w+(?=`)", page.read_text()))
    assert named <= paths(tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_that_a_page_links_to_is_there(page: Path) -> None:
    linked = re.findall(r"\]\(([\w/.-]+\.md)\)", page.read_text())
    assert [name for name in linked if not (page.parent / name).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "README.md"], ids=lambda p: p.name)
def test_every_page_is_in_the_table_of_pages(page: Path) -> None:
    assert f"({page.name})" in (ROOT / "docs" / "README.md").read_text()


def said() -> Iterator[tuple[str, str]]:
    """Each answer of `aitia check` that a page explains."""
    for page in PAGES:
        _, found, table = page.read_text().partition("| it says | do |\n|---|---|\n")
        for row in table.splitlines() if found else ():
            if not row.startswith("|"):
                break
            yield page.name, row.split("|")[1].strip()


@cache
def code() -> str:
    rooms = [*(ROOT / "workers" / "checkup").glob("*.py"), *(ROOT / "integrations").rglob("*.py")]
    whole = "\n".join(path.read_text() for path in rooms)
    joined = re.sub(r'"\s*\n\s*f?"', "", whole)  # a text over several lines is one text
    return re.sub(r"\{[^{}\n]{1,60}\}", "…", joined)


@pytest.mark.parametrize(("page", "answer"), list(said()))
def test_every_answer_of_the_check_that_a_page_explains_is_given(page: str, answer: str) -> None:
    plain = re.sub(r" \([\w, ]+\)", "", answer)  # others of the same kind, told in passing
    parts = [part.strip() for part in plain.split("…") if part.strip()]
    assert [part for part in parts if part not in code()] == [], page


@pytest.mark.parametrize("block", [pytest.param(b, id=b.page) for b in blocks() if b.language == "json"])
def test_an_alert_that_is_to_be_sent_can_be_read(block: Block) -> None:
    assert parse_plain(block.text.encode(), received_at=1.0)


@pytest.mark.parametrize("block", called("alertmanager.yml"))
def test_the_receiver_of_alertmanager_sends_its_token_to_the_door(block: Block, tmp_path: Path) -> None:
    [receiver] = yaml(block)["receivers"]
    [webhook] = receiver["webhook_configs"]
    assert webhook["http_config"]["authorization"]["type"] == "Bearer"
    assert webhook["url"].removeprefix("http://127.0.0.1:4318") in paths(tmp_path)


@pytest.mark.parametrize(
    ("block", "program"),
    [
        pytest.param(each, program, id=program[0])
        for file, program in (
            ("alertmanager.yml", ("amtool", "check-config")),
            ("prometheus rules", ("promtool", "check", "rules")),
        )
        for each in blocks()
        if each.file == file
    ],
)
def test_the_tools_of_prometheus_find_nothing_wrong(
    block: Block, program: tuple[str, ...], tmp_path: Path
) -> None:
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not on PATH; it comes with Prometheus")
    (tmp_path / "pasted.yml").write_text(block.text)
    done = subprocess.run(
        [*program, tmp_path / "pasted.yml"], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", called("grafana provisioning"))
def test_the_contact_point_of_grafana_sends_its_token(block: Block) -> None:
    [point] = yaml(block)["contactPoints"]
    assert point["receivers"][0]["settings"]["authorization_scheme"] == "Bearer"


@pytest.mark.parametrize("block", called("otel-collector.yaml"))
def test_the_collector_sends_all_three_signals(block: Block) -> None:
    config = yaml(block)
    pipelines = config["service"]["pipelines"]
    sent = {name for name, pipe in pipelines.items() if pipe["exporters"] == [*config["exporters"]]}
    assert sent == {"traces", "metrics", "logs"}


def test_the_rights_in_a_cluster_are_those_that_are_needed() -> None:
    granted = [rule for block in blocks() if block.file == "kubernetes" for rule in yaml(block)["rules"]]
    assert granted == NEEDED


@pytest.fixture(params=called("Slack app manifest"))
def manifest(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """The manifests of the Slack app: by Socket Mode, and by HTTP."""
    found: Mapping[str, Any] = yaml(request.param)
    return found


def test_the_manifest_asks_for_the_scopes_that_are_used(manifest: Mapping[str, Any]) -> None:
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == set(SCOPES)


def test_the_names_in_the_manifest_are_short_enough(manifest: Mapping[str, Any]) -> None:
    shown = manifest["display_information"]
    told = (shown["name"], shown.get("description", ""), manifest["features"]["bot_user"]["display_name"])
    assert all(len(text) <= most for text, most in zip(told, (35, 140, 80), strict=True))


def test_the_bot_of_the_manifest_has_a_name_that_slack_takes(manifest: Mapping[str, Any]) -> None:
    assert re.fullmatch(r"[a-z0-9._-]+", manifest["features"]["bot_user"]["display_name"])


def test_without_an_address_the_manifest_needs_socket_mode(manifest: Mapping[str, Any]) -> None:
    addresses = [*(command.get("url") for command in manifest["features"]["slash_commands"])]
    addresses.append(manifest["settings"]["interactivity"].get("request_url"))
    assert manifest["settings"]["socket_mode_enabled"] is not any(addresses)


def test_the_token_of_the_manifest_does_not_expire(manifest: Mapping[str, Any]) -> None:
    assert manifest["settings"]["token_rotation_enabled"] is False


def test_the_commands_of_the_manifest_are_such(manifest: Mapping[str, Any]) -> None:
    for command in manifest["features"]["slash_commands"]:
        assert re.fullmatch(r"/[a-z0-9_-]{1,31}", command["command"])
        assert 0 < len(command["description"]) <= 2_000

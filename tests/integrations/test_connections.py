from __future__ import annotations

from pathlib import Path

import pytest

import integrations.connections
from causal.errors import MalformedSettings
from integrations.connections import (
    Connections,
    FileConnection,
    command_named,
    read_connections,
    service_facts,
)

SHOP = """\
repositories:
  shop-config: {path: CONFIG, branch: main, services: "services/{service}.yaml"}
http:
  shop-admin: {base_url: "http://127.0.0.1:4711/", token_file: /run/admin-token}
processes:
  shop:
    services: [gateway, cart]
    restart: [/usr/bin/python3, -m, demo, restart, "${service}"]
    pid_file: "/run/${service}.pid"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    services = tmp_path / "config" / "services"
    services.mkdir(parents=True)
    (services / "cart.yaml").touch()
    (services / "stock.yaml").touch()
    connections = tmp_path / "connections.d"
    connections.mkdir()
    return connections


def read(folder: Path, **files: str) -> Connections:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text.replace("CONFIG", str(folder.parent / "config")))
    return read_connections(folder)


def test_a_file_names_what_may_be_touched(folder: Path) -> None:
    connections = read(folder, shop=SHOP)
    assert (list(connections.repositories), list(connections.http), list(connections.processes)) == (
        ["shop-config"],
        ["shop-admin"],
        ["shop"],
    )


def test_a_base_address_ends_without_a_slash(folder: Path) -> None:
    assert read(folder, shop=SHOP).http["shop-admin"].base_url == "http://127.0.0.1:4711"


def test_an_empty_file_and_a_missing_folder_name_nothing(folder: Path) -> None:
    assert read(folder, empty="# nothing yet\n").http == {}
    assert read_connections(folder / "none") == Connections()


def test_files_are_read_anew_each_time(folder: Path) -> None:
    assert list(read(folder, a="http: {one: {base_url: 'http://x'}}").http) == ["one"]
    assert list(read(folder, a="http: {two: {base_url: 'http://x'}}").http) == ["two"]


def test_one_name_in_two_files_is_a_problem(folder: Path) -> None:
    other = "http:\n  shop-admin: {base_url: 'http://other'}\n"
    with pytest.raises(
        MalformedSettings, match=r"zoo\.yaml:2:3: http\.shop-admin: is given by .*shop\.yaml already"
    ):
        read(folder, shop=SHOP, zoo=other)


def test_one_name_of_two_kinds_is_no_problem(folder: Path) -> None:
    assert read(folder, shop=SHOP, zoo="http: {shop: {base_url: 'http://zoo'}}").http["shop"].idempotent


def test_problems_of_all_files_are_told_together(folder: Path) -> None:
    with pytest.raises(MalformedSettings, match=r"(?s)a\.yaml:1:1: htp.*b\.yaml:1:1: prosesses"):
        read(folder, a="htp: {}", b="prosesses: {}")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "token_file: /run/admin-token",
            "token: secret",
            r"shop\.yaml:4:52: http\.shop-admin\.token: unknown field",
        ),
        ("path: CONFIG", "path: config", r"2:17: .*must be an absolute path"),
        ("http://127.0.0.1:4711/", "ftp://host", r"4:16: .*is not an http or https address"),
        ("http://127.0.0.1:4711/", "http://me:pw@host", r"put a token in a file"),
        ("http://127.0.0.1:4711/", "http://host/?a=b", r"must end before any"),
        ("services/{service}.yaml", "services.yaml", r"holds \{service\} once"),
        ("[gateway, cart]", "[]", r"7:5: processes\.shop\.services"),
        ("[gateway, cart]", "[../cart]", r"processes\.shop\.services\.0"),
        ("[gateway, cart]", "[-rf]", r"processes\.shop\.services\.0"),
        ('"${service}"]', '"${service} $HOME"]', r"8:52: .*may hold \$\{service\} and no other \$"),
        ('"/run/${service}.pid"', '"/run/${pid}.pid"', r"9:5: .*no other \$"),
        ("branch: main", "branch: --all", r"repositories\.shop-config\.branch"),
    ],
)
def test_each_mistake_is_named_at_its_place(folder: Path, old: str, new: str, says: str) -> None:
    assert old in SHOP
    with pytest.raises(MalformedSettings, match=says):
        read(folder, shop=SHOP.replace(old, new))


def test_a_service_finds_its_connections(folder: Path) -> None:
    assert service_facts(read(folder, shop=SHOP), "cart") == {
        "service.admin": "shop-admin",
        "service.repository": "shop-config",
        "service.process": "shop",
        "service.environment": "production",
    }


def test_a_service_that_only_the_repository_knows_finds_the_files_one_address(folder: Path) -> None:
    assert service_facts(read(folder, shop=SHOP), "stock") == {
        "service.admin": "shop-admin",
        "service.repository": "shop-config",
        "service.environment": "production",
    }


@pytest.mark.parametrize("service", ["unknown", "../services/cart", "", "cart\n", "/etc/passwd"])
def test_an_unknown_service_finds_nothing(folder: Path, service: str) -> None:
    assert service_facts(read(folder, shop=SHOP), service) == {}


def test_an_address_with_services_speaks_for_these_alone(folder: Path) -> None:
    named = SHOP.replace("token_file: /run/admin-token", "services: [gateway]")
    connections = read(folder, shop=named)
    assert [service_facts(connections, name).get("service.admin") for name in ("gateway", "cart")] == [
        "shop-admin",
        None,
    ]


def test_two_addresses_without_services_speak_for_nobody(folder: Path) -> None:
    two = SHOP.replace("processes:", "  metrics: {base_url: 'http://127.0.0.1:1'}\nprocesses:")
    assert "service.admin" not in service_facts(read(folder, shop=two), "cart")


def test_two_processes_that_claim_a_service_are_no_answer(folder: Path) -> None:
    other = "processes: {zoo: {services: [cart], restart: [/bin/true]}}"
    assert "service.process" not in service_facts(read(folder, shop=SHOP, zoo=other), "cart")


def test_another_systems_address_does_not_speak_for_this_one(folder: Path) -> None:
    connections = read(folder, zoo="http: {zoo: {base_url: 'http://127.0.0.1:1'}}", shop=SHOP)
    assert service_facts(connections, "cart")["service.admin"] == "shop-admin"


MORE = """\
environment: staging
repositories:
  shop-config: {path: CONFIG, services: "services/{service}.yaml"}
forges:
  hub:
    {kind: github, base_url: "https://api.github.com", token_file: /run/hub, project: acme/shop,
     repository: shop-config}
commands:
  cachectl:
    {executable: /opt/bin/cachectl, allow: [[flush, "[a-z]+"]], services: [cart], limits: {memory: 256MiB}}
files:
  cart-file: {path: /etc/cart.yaml, keys: ["pool\\\\.size"], services: [cart]}
flags:
  shop-flags: {path: /etc/flags.json, switches: {cart: new-cart}}
alertmanagers:
  alerts: {base_url: "http://127.0.0.1:9093", longest: 1h}
"""


def test_every_kind_answers_for_the_service(folder: Path) -> None:
    assert service_facts(read(folder, shop=MORE), "cart") == {
        "service.repository": "shop-config",
        "service.forge": "hub",
        "service.command": "cachectl",
        "service.file": "cart-file",
        "service.flags": "shop-flags",
        "service.flag": "new-cart",
        "service.alertmanager": "alerts",
        "service.environment": "staging",
    }


def test_a_command_answers_for_no_service_that_it_does_not_name(folder: Path) -> None:
    assert "service.command" not in service_facts(read(folder, shop=MORE), "stock")


def test_two_environments_of_one_service_are_no_answer(folder: Path) -> None:
    other = "processes: {zoo: {services: [cart], restart: [/bin/true]}}"
    assert "service.environment" not in service_facts(read(folder, shop=MORE, zoo=other), "cart")


def test_a_file_without_an_environment_is_production(folder: Path) -> None:
    assert service_facts(read(folder, shop=SHOP), "cart")["service.environment"] == "production"


def test_sizes_are_read_with_their_units(folder: Path) -> None:
    assert command_named(lambda: read(folder, shop=MORE), "cachectl").limits.memory == 256 * 1024**2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("kind: github", "kind: sourceforge", r"forges\.hub\.kind"),
        ("project: acme/shop", "project: ../shop", r"forges\.hub\.project"),
        ("/opt/bin/cachectl", "/bin/bash", r"executable: would take an argument for a program"),
        ('"[a-z]+"', '"[a-z"', r"is not a regular expression"),
        ("256MiB", "256 potatoes", r"is not a size"),
        ("path: /etc/cart.yaml", "path: etc/cart.yaml", r"must be an absolute path"),
        ("environment: staging", "environment: ../x", r"environment"),
        ("longest: 1h", "longest: -1h", r"alertmanagers\.alerts\.longest"),
        ("token_file: /run/hub", "token: abc", r"forges\.hub\.token: unknown field"),
    ],
)
def test_each_mistake_in_the_other_kinds_is_named_too(folder: Path, old: str, new: str, says: str) -> None:
    assert old in MORE
    with pytest.raises(MalformedSettings, match=says):
        read(folder, shop=MORE.replace(old, new))


@pytest.mark.parametrize("pattern", ["/reload", "PUSH /x", "GET reload", "GET /a b", "GET /a?b=1"])
def test_a_request_pattern_that_can_not_match_is_a_mistake(folder: Path, pattern: str) -> None:
    text = f"http: {{a: {{base_url: 'http://x', allow: ['{pattern}']}}}}"
    with pytest.raises(MalformedSettings, match="is a method and a path"):
        read(folder, a=text)


def test_a_file_tells_its_format_by_its_name() -> None:
    names = ("a.yaml", "a.yml", "a.json", "a.toml", "prod.env", ".env", "a.ini")
    formats = [FileConnection(path=Path("/etc") / name).written_as for name in names]
    assert formats == ["yaml", "yaml", "json", "toml", "env", "env", None]


def test_the_example_that_people_copy_is_sound(folder: Path) -> None:
    text = Path(integrations.connections.__file__).with_name("README.md").read_text()
    example = text.partition("```yaml\n")[2].partition("```")[0]
    (folder / "shop.yaml").write_text(example)
    (file,) = read_connections(folder).files
    ours = ("repositories", "forges", "http", "processes", "commands", "files", "flags", "alertmanagers")
    assert all(file.of_kind(kind) for kind in ours)

from pathlib import Path

import pytest

from demo.errors import BadDocument
from demo.topology import Topology, read_topology, shipped_topologies

HEAD = """\
name: small
load:
  entries:
    - {service: door, operation: enter, per_second: 1}
services:
"""
DOOR = """\
  - name: door
    operations:
      - name: enter
        calls:
          - {to: store, operation: get}
"""
STORE = """\
  - name: store
    operations:
      - name: get
"""


def complaints(tmp_path: Path, text: str) -> tuple[str, ...]:
    """What is said about a topology, without the folder."""
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    with pytest.raises(BadDocument) as raised:
        read_topology(path)
    return tuple(problem.removeprefix(f"{tmp_path}/") for problem in raised.value.problems)


def test_a_good_topology_is_read(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(HEAD + DOOR + STORE)
    assert read_topology(path).names == ("door", "store")


@pytest.mark.parametrize("path", shipped_topologies().values(), ids=lambda path: path.stem)
def test_every_shipped_topology_can_be_read(path: Path) -> None:
    assert isinstance(read_topology(path), Topology)


def test_an_unknown_field_is_named_with_its_line(tmp_path: Path) -> None:
    text = HEAD + DOOR + STORE + "    colour: red\n"
    assert complaints(tmp_path, text) == ("shop.yaml:14: services[store].colour: unknown field 'colour'",)


def test_a_call_to_an_unknown_service_is_refused(tmp_path: Path) -> None:
    text = HEAD + DOOR.replace("to: store", "to: stoer") + STORE
    assert complaints(tmp_path, text) == (
        (
            "shop.yaml:10: services[door].operations[enter].calls[0].to: "
            "unknown service 'stoer' (there are door, store)"
        ),
    )


def test_a_call_to_an_unknown_operation_is_refused(tmp_path: Path) -> None:
    text = HEAD + DOOR.replace("operation: get", "operation: fetch") + STORE
    assert complaints(tmp_path, text) == (
        (
            "shop.yaml:10: services[door].operations[enter].calls[0].operation: "
            "'store' has no operation 'fetch' (it has get)"
        ),
    )


def test_a_share_above_one_is_refused(tmp_path: Path) -> None:
    text = HEAD + DOOR.replace("operation: get", "operation: get, share: 1.4") + STORE
    assert complaints(tmp_path, text) == (
        (
            "shop.yaml:10: services[door].operations[enter].calls[0].share: "
            "should be less than or equal to 1 (is 1.4)"
        ),
    )


def test_calls_in_a_circle_are_refused(tmp_path: Path) -> None:
    text = HEAD + DOOR + STORE + "        calls:\n          - {to: door, operation: enter}\n"
    assert complaints(tmp_path, text) == (
        (
            "shop.yaml:9: services[door].operations[enter].calls: "
            "calls go in a circle: door/enter -> store/get -> door/enter"
        ),
    )


def test_two_services_of_one_name_are_refused(tmp_path: Path) -> None:
    text = HEAD + DOOR + STORE + STORE
    assert complaints(tmp_path, text) == (
        "shop.yaml:14: services[store].name: there is another service named 'store'",
    )


def test_an_agent_without_a_model_is_refused(tmp_path: Path) -> None:
    text = HEAD + DOOR.replace("name: door\n", "name: door\n    kind: agent\n") + STORE
    assert complaints(tmp_path, text) == (
        (
            "shop.yaml:9: services[door].operations[enter]: "
            "an agent's operation must call exactly one model, with fan_out 1"
        ),
    )


def test_customers_at_a_missing_door_are_refused(tmp_path: Path) -> None:
    text = (HEAD + DOOR + STORE).replace("{service: door", "{service: window")
    assert complaints(tmp_path, text) == (
        "shop.yaml:4: load.entries[0].service: unknown service 'window' (there are door, store)",
    )


def test_one_service_alone_is_no_shop(tmp_path: Path) -> None:
    assert complaints(tmp_path, HEAD + STORE) == ("shop.yaml:5: services: must have at least 2 (has 1)",)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = HEAD + DOOR.replace("operation: get", "operation: get, share: 2") + STORE + "    size: 3\n"
    assert len(complaints(tmp_path, text)) == 2


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    assert "shop.yaml:2: not YAML" in complaints(tmp_path, "name: one\nname: two\n")[0]


def test_broken_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "shop.yaml:3: not YAML" in complaints(tmp_path, "name: [\n  small\n")[0]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDocument, match="cannot be read"):
        read_topology(tmp_path / "nowhere.yaml")


def test_scaled_load_keeps_its_mix() -> None:
    load = read_topology(shipped_topologies()["clinic"]).load.scaled(5)
    assert [entry.per_second for entry in load.entries] == [2, 2, 1]

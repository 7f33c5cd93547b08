import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from demo.faults import FAULT, check_fault, read_fault, shipped_faults
from demo.schemas import HERE, published
from demo.topology import read_topology, shipped_topologies


def schema(name: str) -> dict[str, Any]:
    """A published schema."""
    value: dict[str, Any] = json.loads((HERE / name).read_text())
    return value


@pytest.mark.parametrize(("path", "text"), published().items(), ids=lambda value: getattr(value, "name", ""))
def test_published_schemas_agree_with_the_models(path: Path, text: str) -> None:
    assert path.read_text() == text


@pytest.mark.parametrize("path", shipped_topologies().values(), ids=lambda path: path.stem)
def test_shipped_topologies_fit_the_schema(path: Path) -> None:
    jsonschema.validate(YAML(typ="safe").load(path), schema("topology.schema.json"))


@pytest.mark.parametrize("path", shipped_faults().values(), ids=lambda path: path.stem)
def test_shipped_faults_fit_the_schema(path: Path) -> None:
    jsonschema.validate(YAML(typ="safe").load(path), schema("fault.schema.json"))


@pytest.mark.parametrize("path", shipped_faults().values(), ids=lambda path: path.stem)
def test_shipped_faults_fit_the_shipped_shop(path: Path) -> None:
    assert list(check_fault(read_fault(path), read_topology(shipped_topologies()["shop"]))) == []


def test_every_kind_of_fault_is_shipped() -> None:
    kinds = {read_fault(path).kind for path in shipped_faults().values()}
    known = FAULT.json_schema()["discriminator"]["mapping"]
    assert kinds == set(known)


def test_the_schema_refuses_unknown_fields() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"kind": "dead", "service": "a", "when": 1}, schema("fault.schema.json"))

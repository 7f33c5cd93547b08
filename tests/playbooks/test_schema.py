from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from playbooks.catalog import LIBRARY, check_playbook, playbook_files
from playbooks.lookups import LOOKUPS
from playbooks.remedy import Playbook
from playbooks.schema import FILE, playbook_schema, words, written
from tests.playbooks.cases import standard_known
from tests.playbooks.test_catalog import DESIGN_EXAMPLE
from tests.playbooks.test_lint import SOUND

SCHEMA = playbook_schema(*standard_known())
SHIPPED = playbook_files([LIBRARY])


def faults(text: str) -> list[str]:
    value: Any = YAML(typ="safe").load(text)
    return [error.json_path for error in Draft202012Validator(SCHEMA).iter_errors(value)]


def own_properties(schema: dict[str, Any]) -> dict[str, Any]:
    models = {"Playbook": schema, **schema["$defs"]}
    return {
        f"{model}.{field}": part
        for model, fields in models.items()
        if not model.startswith("with.")
        for field, part in fields.get("properties", {}).items()
    }


def test_the_committed_schema_is_what_the_models_give() -> None:
    assert FILE.read_text(encoding="utf-8") == written(SCHEMA), (
        "aitia playbook schema > playbooks/playbook.schema.json"
    )


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_field_is_explained() -> None:
    assert [name for name, part in own_properties(SCHEMA).items() if not part.get("description")] == []


def test_no_explanation_is_left_over() -> None:
    assert set(words()) - set(own_properties(Playbook.model_json_schema(by_alias=True))) == set()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_playbook_follows_the_schema(file: Any) -> None:
    assert faults(file.read_text()) == []


def test_the_full_example_follows_the_schema() -> None:
    assert faults(DESIGN_EXAMPLE) == []


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("impact: high", "impact: huge", "$.impact"),
        ("impact: high", "impackt: high", "$"),
        ("fault: config_change", "fault: config", "$.cures[0].fault"),
        ("$cause.service", "$cause.servise", "$.parameters.service.from"),
        ("action: git.revert\n", "action: git.rewert\n", "$.steps[0].action"),
        ("check: change_is_latest", "check: change_is_last", "$.preconditions[0].check"),
        ("commit: $commit}\n    undo", "comit: $commit}\n    undo", "$.steps[0].with"),
        ("commit: $commit}\n    undo", "commit: HEAD}\n    undo", "$.steps[0].with.commit"),
        ("method: POST", "method: FETCH", "$.steps[1].with.method"),
        ("within: 10m", "within: 10 minutes", "$.verify"),
        ("within: 10m", "within: 0m", "$.verify"),
        ("quorum: 1", "quorum: 0", "$.approval.quorum"),
    ],
)
def test_an_editor_finds_what_reading_finds(old: str, new: str, where: str) -> None:
    text = SOUND.replace(old, new)
    assert text != SOUND
    assert where in faults(text)
    assert any(each.severity == "error" for each in check_playbook(text, "x.yaml", *standard_known())[1])


@pytest.mark.parametrize("value", ["250ms", "60s", "1.5h", "1d", 90])
def test_a_duration_may_be_written_in_many_ways(value: str | int) -> None:
    assert faults(SOUND.replace("within: 10m", f"within: {value}")) == []


def test_an_undo_may_leave_out_what_its_step_reports() -> None:
    assert faults(SOUND.replace("{action: git.revert_revert}", "{action: git.revert_revert, with: {}}")) == []


def test_every_look_up_is_offered() -> None:
    offered = SCHEMA["$defs"]["Parameter"]["properties"]["from"]["anyOf"][0]["oneOf"]
    assert [each["const"] for each in offered] == [f"${name}" for name in LOOKUPS]


def test_every_action_is_offered_with_what_it_takes() -> None:
    chosen = [each["if"]["properties"]["action"]["const"] for each in SCHEMA["$defs"]["Step"]["allOf"]]
    assert chosen == sorted(standard_known()[0])

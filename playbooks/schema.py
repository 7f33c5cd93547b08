"""The format of playbooks as JSON Schema (draft 2020-12): editors complete and check what people write.

It is made of the models that read playbooks, and of the schemas of the actions and checks that there are: a
step that says ``action: git.revert`` is offered what that action takes. A field of an action takes its own
values, or text with a look-up in it. What a schema can not say (names that must be declared, steps that are
never reached) is for `playbooks.lint`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from ruamel.yaml import YAML

from playbooks.lookups import LOOKUPS
from playbooks.places import connection_of, place_of
from playbooks.remedy import Playbook
from playbooks.walk import required

if TYPE_CHECKING:
    from playbooks.known import KnownActions, KnownChecks

Schema = dict[str, Any]

FILE = Path(__file__).parent / "playbook.schema.json"
HINT = "# yaml-language-server: $schema=./playbook.schema.json"
_DEFS = "#/$defs/"
_WORDS = Path(__file__).parent / "schema_words.yaml"
_LOOK_UP: Schema = {
    "type": "string",
    "pattern": r"\$(\{[A-Za-z_][A-Za-z0-9_.]*\}|[A-Za-z_])",
    "description": "a look-up: $name alone, or ${name} inside text",
}


def playbook_schema(actions: KnownActions, checks: KnownChecks) -> Schema:
    """Return the schema of a playbook that may use these actions and checks."""
    schema = Playbook.model_json_schema(by_alias=True)
    definitions: Schema = schema["$defs"]
    _explain(schema, definitions)
    _offer_look_ups(definitions["Parameter"])
    given = {name: each.Params for name, each in sorted({**actions, **checks}.items())}
    places, offered = _with_look_ups(tuple(given.values()))
    definitions.update(offered)
    then = {name: _then(params, places[params]) for name, params in given.items()}
    _choose(definitions["Step"], "action", {name: then[name] for name in sorted(actions)})
    for model in ("Undo", "Call"):  # these take what they need from their step's effect
        _choose(definitions[model], "action", {name: _optional(then[name]) for name in sorted(actions)})
    _choose(definitions["Precondition"], "check", {name: then[name] for name in sorted(checks)})
    top = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Aitia playbook",
        "description": "What may be done about a kind of fault.",
    }
    return top | {name: part for name, part in schema.items() if name not in top}


def written(schema: Schema) -> str:
    """Write a schema the way that it is published."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


@cache
def words() -> Mapping[str, Mapping[str, Any]]:
    """What an editor says about each field: ``says`` and ``examples`` by ``Model.field``."""
    known: dict[str, Mapping[str, Any]] = YAML(typ="safe").load(_WORDS.read_text(encoding="utf-8"))
    return known


def _explain(schema: Schema, definitions: Schema) -> None:
    for model, part in {"Playbook": schema, **definitions}.items():
        for field, of_field in part.get("properties", {}).items():
            told = words().get(f"{model}.{field}", {})
            names = {"says": "description", "examples": "examples"}
            of_field.update({names[what]: value for what, value in told.items()})
            of_field.pop("title", None)


def _offer_look_ups(parameter: Schema) -> None:
    """A look-up is one of those that there are; what does not begin with a dollar sign is a value."""
    offered = [{"const": f"${name}", "description": meaning} for name, meaning in LOOKUPS.items()]
    source = parameter["properties"]["from"]
    source.pop("type", None)
    source["anyOf"] = [{"oneOf": offered}, {"type": "string", "pattern": r"^(?!\$)"}]


def _with_look_ups(params: tuple[type[BaseModel], ...]) -> tuple[dict[type[BaseModel], str], Schema]:
    """The schemas of what actions take, under names of their own, every field open to look-ups."""
    models = tuple(dict.fromkeys(params))
    found, made = models_json_schema([(model, "validation") for model in models], by_alias=True)
    places = {model: str(found[model, "validation"]["$ref"]) for model in models}
    definitions = made.get("$defs", {})
    named = {place.rpartition("/")[2]: model for model, place in places.items()}
    for name, part in definitions.items():
        for field, of_field in part.get("properties", {}).items():
            part["properties"][field] = _open_to_look_ups(of_field, named.get(name), field)
    renamed: Schema = json.loads(json.dumps(definitions).replace(f'"{_DEFS}', f'"{_DEFS}with.'))
    ours = {model: place.replace(_DEFS, f"{_DEFS}with.") for model, place in places.items()}
    return ours, {f"with.{name}": part for name, part in renamed.items()}


def _open_to_look_ups(of_field: Schema, model: type[BaseModel] | None, field: str) -> Schema:
    plain = {name: part for name, part in of_field.items() if name not in {"title", "default"}}
    says = plain.pop("description", _meaning(model, field))
    opened: Schema = {"anyOf": [_items_open(plain), _LOOK_UP]}
    return opened | ({"description": says} if says else {})


def _items_open(plain: Schema) -> Schema:
    """A list of texts may hold look-ups too."""
    if plain.get("type") == "array" and "items" in plain:
        return plain | {"items": {"anyOf": [plain["items"], _LOOK_UP]}}
    return plain


def _meaning(model: type[BaseModel] | None, field: str) -> str:
    if model is None:
        return ""
    if (kind := connection_of(model, field)) is not None:
        return f"the name of a connection under {kind} of connections.d"
    place = place_of(model, field)
    return f"{place.name}: what is inserted is kept within it" if place else ""


def _choose(part: Schema, field: str, then: Mapping[str, Schema]) -> None:
    """Let the name that stands at ``field`` say what may stand under ``with``."""
    chosen = part["properties"][field]
    part["properties"][field] = {"description": chosen.get("description", ""), "enum": list(then)}
    part["allOf"] = [
        {"if": {"properties": {field: {"const": name}}, "required": [field]}, "then": follows}
        for name, follows in then.items()
    ]


def _then(params: type[BaseModel], place: str) -> Schema:
    given: Schema = {"properties": {"with": {"$ref": place}}}
    return given | ({"required": ["with"]} if required(params) else {})


def _optional(then: Schema) -> Schema:
    given = [then["properties"]["with"], {"type": "object", "maxProperties": 0}]
    return {"properties": {"with": {"anyOf": given}}}

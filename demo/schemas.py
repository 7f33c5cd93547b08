"""The published JSON Schemas of what people write; ``python -m demo.schemas`` writes them anew."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from demo.faults import FAULT
from demo.topology import Topology

HERE = Path(__file__).parent
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def published() -> dict[Path, str]:
    """Every schema file and the text it should have."""
    return {
        HERE / "topology.schema.json": _text(TypeAdapter(Topology), "A shop to break"),
        HERE / "fault.schema.json": _text(FAULT, "A way to break a shop"),
    }


def _text(adapter: TypeAdapter[Any], title: str) -> str:
    schema = {"$schema": _DIALECT} | adapter.json_schema() | {"title": title}
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    for path, text in published().items():
        path.write_text(text, encoding="utf-8")

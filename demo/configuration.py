"""What a service is told by its files in the configuration repository.

A topology says what a shop *is*; these files say how it is *run*: pools, memory, where calls go and how long
they may take (``services/<service>.yaml``), and what agents are told (``prompts/<agent>.yaml``). A service
believes only what is committed.
"""

from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from demo.documents import Written, parse_document
from demo.faults import BadConfig, BadPrompt, PoolSize, Timeout, WrongUpstream
from demo.topology import PoolLimits, ServiceDesign, Topology

Setting = tuple[tuple[str, ...], Any]  # a path into the file, and the value there

INSTRUCTIONS = (
    "You help the people who come to {shop}. Look things up with your tools before you answer. "
    'Answer with JSON only: {{"answer": text, "sources": [text]}}.'
)


class CallSettings(Written):
    """Where a call goes, and how patient the caller is."""

    address: str
    timeout_ms: float
    retries: int


class ServiceSettings(Written):
    """``services/<service>.yaml``; calls by operation and then by ``callee/operation``."""

    service: str
    memory_limit_mb: int
    pool: PoolLimits
    calls: dict[str, dict[str, CallSettings]] = {}


class Prompt(Written):
    """``prompts/<agent>.yaml``."""

    agent: str
    version: str
    model: str
    answer_attempts: int
    instructions: str


def service_file(service: str) -> str:
    """Where a service's settings lie in the repository."""
    return f"services/{service}.yaml"


def prompt_file(agent: str) -> str:
    """Where an agent's prompt lies in the repository."""
    return f"prompts/{agent}.yaml"


def files_of(design: ServiceDesign) -> tuple[str, ...]:
    """The files that say how a service is run."""
    own = service_file(design.name)
    return (own, prompt_file(design.name)) if design.kind == "agent" else (own,)


def first_files(topology: Topology) -> Iterator[tuple[str, str]]:
    """The files of a shop in good health: path and text."""
    for design in topology.services:
        settings = first_settings(design).model_dump(mode="json")
        yield (
            service_file(design.name),
            _dump(settings, f"How {design.name} is run. A reload puts it into effect."),
        )
        if design.kind == "agent":
            prompt = first_prompt(design, topology).model_dump()
            yield (
                prompt_file(design.name),
                _dump(prompt, f"What {design.name} is told, before every question."),
            )


def first_settings(design: ServiceDesign) -> ServiceSettings:
    """A service's settings as its topology has them."""
    calls = {
        operation.name: {
            f"{call.to}/{call.operation}": CallSettings(
                address=call.to, timeout_ms=call.timeout_ms, retries=call.retries
            )
            for call in operation.calls
        }
        for operation in design.operations
        if operation.calls
    }
    return ServiceSettings(
        service=design.name, memory_limit_mb=design.memory_limit_mb, pool=design.pool, calls=calls
    )


def first_prompt(design: ServiceDesign, topology: Topology) -> Prompt:
    """An agent's prompt before anybody improved it."""
    kinds = {service.name: service.kind for service in topology.services}
    models = [call.to for op in design.operations for call in op.calls if kinds[call.to] == "model"]
    return Prompt(
        agent=design.name,
        version="v1",
        model=f"{models[0]}-small-1",
        answer_attempts=3,
        instructions=INSTRUCTIONS.format(shop=topology.name),
    )


def parse_settings(text: str, name: str) -> ServiceSettings:
    """Read ``services/<service>.yaml``; raises ``BadDocument``."""
    return parse_document(text, name, TypeAdapter(ServiceSettings))


def parse_prompt(text: str, name: str) -> Prompt:
    """Read ``prompts/<agent>.yaml``; raises ``BadDocument``."""
    return parse_document(text, name, TypeAdapter(Prompt))


def bad_settings(fault: BadConfig, settings: ServiceSettings) -> Iterator[Setting]:
    """What a bad configuration commit writes into the service's file."""
    match fault.change:
        case PoolSize() as pool:
            wanted = {"size": pool.size, "queue": pool.queue, "recycle_ms": pool.recycle_ms}
            yield from ((("pool", key), value) for key, value in wanted.items() if value is not None)
        case Timeout() as timeout:
            for path in _calls_to(settings, timeout.upstream):
                yield (*path, "timeout_ms"), timeout.timeout_ms
        case WrongUpstream() as wrong:
            for path in _calls_to(settings, wrong.upstream):
                yield (*path, "address"), wrong.goes_to


def bad_prompt(fault: BadPrompt, prompt: Prompt) -> Iterator[Setting]:
    """What a bad prompt commit writes into the agent's file."""
    number = int("".join(filter(str.isdigit, prompt.version)) or 0)
    yield ("version",), f"v{number + 1}"
    yield ("instructions",), fault.instructions


def edited(text: str, settings: Mapping[tuple[str, ...], Any]) -> str:
    """The same YAML with other values; comments and order stay, so that a commit shows what changed."""
    yaml = _yaml()
    tree = yaml.load(text)
    for (*way, last), value in settings.items():
        node = tree
        for key in way:
            node = node[key]
        node[last] = value
    return _text(yaml, tree)


def holds(text: str, path: tuple[str, ...], value: Any) -> bool:
    """Whether a YAML text still has this value there."""
    node = _yaml().load(text)
    for key in path:
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return bool(node == value)


def _calls_to(settings: ServiceSettings, upstream: str | None) -> Iterator[tuple[str, ...]]:
    for operation, calls in settings.calls.items():
        for route in calls:
            if upstream is None or route.split("/")[0] == upstream:
                yield ("calls", operation, route)


def _dump(value: dict[str, Any], comment: str) -> str:
    return f"# {comment}\n" + _text(_yaml(), value)


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.width = 110
    return yaml


def _text(yaml: YAML, tree: Any) -> str:
    out = StringIO()
    yaml.dump(tree, out)
    return out.getvalue()

"""What the spans and records of a system say: operations, attributes and lines in its own habits."""

from typing import Any

from benchmarks.simulation.conventions import Naming
from benchmarks.simulation.design import Call, Role, Service
from benchmarks.simulation.live import Instance, System
from benchmarks.simulation.recorder import Reply

_QUERIES = {Role.STORE: "SELECT", Role.CACHE: "GET"}


def server_name(system: System, service: Service, operation: str) -> str:
    """What the span of a request's server is called."""
    naming = system.conventions.naming
    if naming is Naming.RPC:
        return f"shop.{service.name}/{operation}"
    return operation if naming is Naming.PLAIN else f"POST /{operation}"


def client_name(system: System, call: Call, service: Service | None) -> str:
    """What the span of somebody who calls is called."""
    naming = system.conventions.naming
    if service is not None and service.role in _QUERIES:
        return f"{_QUERIES[service.role]} {call.operation}"
    if naming is Naming.VAGUE:
        return "HTTP POST"
    if naming is Naming.RPC:
        return f"shop.{call.to}/{call.operation}"
    return call.operation if naming is Naming.PLAIN else f"POST /{call.operation}"


def server_facts(system: System, instance: Instance, reply: Reply) -> str | None:
    """The attributes of a server's span."""
    if not system.conventions.attributes:
        return None
    return system.recorder.attributes(resource(system, instance) | outcome(reply))


def client_facts(
    system: System, instance: Instance, call: Call, reply: Reply, extra: dict[str, Any] | None = None
) -> str | None:
    """The attributes of a caller's span."""
    if not system.conventions.attributes:
        return None
    facts = resource(system, instance) | outcome(reply) | {"server.address": call.address or call.to}
    callee = system.services.get(call.to)
    if callee is not None and callee.design.role in _QUERIES:
        facts["db.system.name"] = "redis" if callee.design.role is Role.CACHE else "postgresql"
    return system.recorder.attributes(facts | (extra or {}))


def resource(system: System, instance: Instance) -> dict[str, Any]:
    """What a process tells of itself on everything it records."""
    version = instance.service.designed(instance).version
    facts: dict[str, Any] = {"service.version": version}
    if system.conventions.hosts:
        facts["host.name"] = f"node-{system.hosts.index(instance.host)}"
    return facts


def outcome(reply: Reply) -> dict[str, Any]:
    """What an answer adds."""
    facts: dict[str, Any] = {}
    if reply.code:
        facts["http.response.status_code"] = reply.code
    if reply.error:
        facts["error.type"] = reply.error
    return facts

"""What the connections know about a service: the answers to a playbook's ``service.*`` look-ups.

Two answers are none: which one is meant can not be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from integrations.connections.files import ConnectionFile, Connections
from integrations.connections.kinds import ForgeConnection, RepositoryConnection
from integrations.mlflow_connection import RegistryConnection
from playbooks.remedy import JsonValue

# What a look-up asks for, by kind of connection.
LOOKED_UP = {
    "service.admin": "http",
    "service.repository": "repositories",
    "service.process": "processes",
    "service.forge": "forges",
    "service.command": "commands",
    "service.file": "files",
    "service.flags": "flags",
    "service.alertmanager": "alertmanagers",
    "service.cluster": "clusters",
    "service.registry": "registries",
}
# These need not name their services: where one stands alone in a file, it is for all that the file knows.
_FOR_ALL = frozenset({"http", "alertmanagers", "flags"})


def service_facts(connections: Connections, service: str) -> dict[str, JsonValue]:
    """Return the ``service.*`` look-ups of a service, for those that exactly one connection answers.

    A connection answers for its ``services``, a repository for those it holds files about, a forge for those
    of its repository. An http connection, an Alertmanager or a file of flags without ``services`` answers if
    it is the only one of its kind in a file whose repository or process knows the service.
    ``service.environment`` is that of the files that know the service, if they agree.
    """
    found: dict[str, JsonValue] = {}
    for look_up, kind in LOOKED_UP.items():
        names = [name for file in connections.files for name in _answering(file, kind, service)]
        if len(names) == 1:
            found[look_up] = names[0]
    found.update(list(_within(connections, service, found)))
    environments = {file.environment for file in connections.files if _mentions(file, service)}
    if len(environments) == 1:
        found["service.environment"] = environments.pop()
    return found


def _within(
    connections: Connections, service: str, found: Mapping[str, JsonValue]
) -> Iterator[tuple[str, JsonValue]]:
    """What a service is called within the cluster, the registry and the file of flags that know it."""
    if (cluster := connections.of_kind("clusters").get(str(found.get("service.cluster")))) is not None:
        yield "service.deployment", cluster.services[service]
    registry = connections.of_kind("registries").get(str(found.get("service.registry")))
    if registry is not None and len(models := registry.models_of(service)) == 1:
        yield "service.model", models[0]
    flags = connections.of_kind("flags").get(str(found.get("service.flags")))
    if flags is not None and service in flags.switches:
        yield "service.flag", flags.switches[service]


def _answering(file: ConnectionFile, kind: str, service: str) -> Iterator[str]:
    known = file.of_kind(kind)
    for name, each in known.items():
        alone = kind in _FOR_ALL and not each.services and len(known) == 1
        if (alone and _knows(file, service)) or _is_for(file, each, service):
            yield name


def _is_for(file: ConnectionFile, each: object, service: str) -> bool:
    if isinstance(each, ForgeConnection):
        each = file.repositories.get(each.repository)
    if isinstance(each, RepositoryConnection):
        return each.configures(service)
    if isinstance(each, RegistryConnection):
        return bool(each.models_of(service))
    return service in (getattr(each, "services", None) or ())


def _knows(file: ConnectionFile, service: str) -> bool:
    return any(each.configures(service) for each in file.repositories.values()) or any(
        service in each.services for each in file.processes.values()
    )


def _mentions(file: ConnectionFile, service: str) -> bool:
    return any(True for kind in LOOKED_UP.values() for _ in _answering(file, kind, service))

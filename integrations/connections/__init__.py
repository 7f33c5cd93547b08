"""What Aitia may touch of a watched system: ``connections.d/*.yaml``, read anew whenever it is needed.

One file describes one system; people write it, or the tool that set the system up. Everything that an action
reaches is named here and nowhere else: a playbook can choose among these names and can not invent a target.
No secret stands in such a file, only the file that holds it.

`kinds` says what there may be under each name, `files` reads, `facts` answers what a playbook asks about a
service.
"""

from integrations.connections.facts import service_facts
from integrations.connections.files import (
    ConnectionFile,
    Connections,
    ReadConnections,
    alertmanager_named,
    cluster_named,
    command_named,
    file_named,
    flags_named,
    forge_named,
    http_named,
    process_named,
    read_connections,
    registry_named,
    repository_named,
)
from integrations.connections.kinds import (
    AlertmanagerConnection,
    CommandConnection,
    CommandLimits,
    FileConnection,
    FlagsConnection,
    ForgeConnection,
    HttpConnection,
    ProcessConnection,
    RepositoryConnection,
)
from integrations.kubernetes_connection import ClusterConnection
from integrations.mlflow_connection import RegistryConnection

__all__ = [
    "AlertmanagerConnection",
    "ClusterConnection",
    "CommandConnection",
    "CommandLimits",
    "ConnectionFile",
    "Connections",
    "FileConnection",
    "FlagsConnection",
    "ForgeConnection",
    "HttpConnection",
    "ProcessConnection",
    "ReadConnections",
    "RegistryConnection",
    "RepositoryConnection",
    "alertmanager_named",
    "cluster_named",
    "command_named",
    "file_named",
    "flags_named",
    "forge_named",
    "http_named",
    "process_named",
    "read_connections",
    "registry_named",
    "repository_named",
    "service_facts",
]

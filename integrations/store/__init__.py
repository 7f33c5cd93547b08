"""The house's memory in a database: SQLite on one machine, PostgreSQL in production.

One module a port. Rows stay in the module of their table; what goes in and comes out are the house's
values, kept as canonical JSON beside the few columns that are asked for.
`integrations.database.open_database` gives the engine.
"""

from integrations.store.approvals import SqlApprovals
from integrations.store.audit import SqlAuditLog
from integrations.store.incidents import SqlIncidents
from integrations.store.journal import SqlJournal
from integrations.store.kill_switch import SqlKillSwitch
from integrations.store.locks import SqlLocks
from integrations.store.priors import SqlPriorStore
from integrations.store.seen import SqlSeenEvents

__all__ = [
    "SqlApprovals",
    "SqlAuditLog",
    "SqlIncidents",
    "SqlJournal",
    "SqlKillSwitch",
    "SqlLocks",
    "SqlPriorStore",
    "SqlSeenEvents",
]

"""The tables as they were before they had versions; what is there already stays as it is.

With the audit log come the triggers that keep it append-only.
"""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TABLES: dict[str, Callable[[], tuple[sa.schema.SchemaItem, ...]]] = {
    "approval": lambda: (
        sa.Column("ordinal", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
    ),
    "audit": lambda: (
        sa.Column("seq", sa.Integer(), autoincrement=False, primary_key=True),
        sa.Column("incident", sa.String(), nullable=False),
        sa.Column("key", sa.String(), unique=True),
        sa.Column("previous", sa.String(), nullable=False, unique=True),
        sa.Column("hash", sa.String(), nullable=False, unique=True),
        sa.Column("line", sa.Text(), nullable=False),
    ),
    "incident": lambda: (
        sa.Column("ordinal", sa.Integer(), primary_key=True),
        sa.Column("id", sa.String(), nullable=False, unique=True),
        sa.Column("stem", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.UniqueConstraint("stem", "number"),
    ),
    "incident_alert": lambda: (
        sa.Column("ordinal", sa.Integer(), primary_key=True),
        sa.Column("incident", sa.String(), sa.ForeignKey("incident.id"), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("service", sa.String()),
        sa.Column("raised_at", sa.Float(), nullable=False),
        sa.Column("alert", sa.Text(), nullable=False),
        sa.UniqueConstraint("incident", "fingerprint"),
    ),
    "intent": lambda: (
        sa.Column("ordinal", sa.Integer(), primary_key=True),
        sa.Column("key", sa.String(), nullable=False, unique=True),
        sa.Column("incident", sa.String(), nullable=False),
        sa.Column("intent", sa.Text(), nullable=False),
    ),
    "lesson": lambda: (
        sa.Column("ordinal", sa.Integer(), primary_key=True),
        sa.Column("incident", sa.String(), nullable=False),
        sa.Column("playbook", sa.String(), nullable=False),
        sa.Column("lesson", sa.Text(), nullable=False),
        sa.UniqueConstraint("incident", "playbook"),
    ),
    "priors": lambda: (
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("priors", sa.Text(), nullable=False),
    ),
    "slack_message": lambda: (
        sa.Column("incident", sa.String(), primary_key=True),
        sa.Column("part", sa.String(), primary_key=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("ts", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("shown_at", sa.Float(), nullable=False),
        sa.Column("claimed_at", sa.Float(), nullable=False),
    ),
}
_INDEXES = (
    ("approval", "status"),
    ("audit", "incident"),
    ("incident", "is_open"),
    ("incident_alert", "incident"),
    ("intent", "incident"),
)

_APPEND_ONLY = {
    "sqlite": (
        """CREATE TRIGGER IF NOT EXISTS audit_no_update BEFORE UPDATE ON audit
           BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
        """CREATE TRIGGER IF NOT EXISTS audit_no_delete BEFORE DELETE ON audit
           BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
        # INSERT OR REPLACE deletes without asking a DELETE trigger, unless the connection wants it asked.
        """CREATE TRIGGER IF NOT EXISTS audit_no_replace BEFORE INSERT ON audit
           WHEN NEW.seq <= (SELECT max(seq) FROM audit)
           BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    ),
    "postgresql": (
        """CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$""",
        "DROP TRIGGER IF EXISTS audit_append_only ON audit",
        """CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
           FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
    ),
}


def upgrade() -> None:
    """Go forward."""
    for table, items in _TABLES.items():
        op.create_table(table, *items(), if_not_exists=True)
    for table, column in _INDEXES:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], if_not_exists=True)
    for statement in _APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


def downgrade() -> None:
    """Go back; the audit log goes with the rest."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_refuse()")

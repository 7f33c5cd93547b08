"""The house: everything built from the settings. The only place where ports meet vendors."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine
from temporalio.client import Client

from causal.errors import Unavailable
from integrations.actions import standard_actions, standard_checks
from integrations.connections import Connections, read_connections
from integrations.database import open_database
from integrations.git_changes import GitChanges
from integrations.ports import Actions, ChangeSource, Checks, Notifier
from integrations.slack import SlackNotifier, SlackSettings
from integrations.slack_messages import SqlMessageRefs
from integrations.snapshots import FolderSnapshots
from integrations.store import SqlApprovals, SqlAuditLog, SqlIncidents, SqlJournal, SqlPriorStore
from integrations.telemetry_store import DiskTelemetryStore
from playbooks.catalog import Catalog, read_catalog
from playbooks.gate import Policy, read_policy
from workers.intake import Intake
from workers.learning_agent import LearningAgent
from workers.metric_agent import MetricAgent
from workers.quiet_memory import QuietMemory
from workers.remediation_agent import RemediationAgent
from workers.rolling import Rolling
from workers.root_cause_agent import RootCauseAgent
from workers.settings import Settings


@dataclass
class House:
    """All parts, each built once and when it is first asked for."""

    settings: Settings
    _client: Client | None = field(default=None, init=False, repr=False)

    def hand_over(self, client: Client) -> None:
        """The connection to Temporal, once there is one."""
        self._client = client

    def client(self) -> Client:
        """The connection to Temporal; raises Unavailable before there is one."""
        if self._client is None:
            raise Unavailable("not connected to Temporal yet")
        return self._client

    @cached_property
    def engine(self) -> Engine:
        return open_database(self.settings.database_url)

    @cached_property
    def telemetry(self) -> DiskTelemetryStore:
        settings = self.settings
        return DiskTelemetryStore(
            settings.telemetry_folder, settings.telemetry_keep_seconds, settings.telemetry_keep_bytes
        )

    @cached_property
    def snapshots(self) -> FolderSnapshots:
        return FolderSnapshots(self.settings.snapshot_folder)

    @cached_property
    def incidents(self) -> SqlIncidents:
        return SqlIncidents(self.engine)

    @cached_property
    def approvals(self) -> SqlApprovals:
        return SqlApprovals(self.engine)

    @cached_property
    def audit(self) -> SqlAuditLog:
        return SqlAuditLog(self.engine)

    @cached_property
    def priors(self) -> SqlPriorStore:
        return SqlPriorStore(self.engine)

    @cached_property
    def intake(self) -> Intake:
        return Intake(self.incidents, self.client, self.settings.correlate_within)

    @cached_property
    def actions(self) -> Actions:
        return standard_actions(self.connections, self.settings.home / "actions")

    @cached_property
    def checks(self) -> Checks:
        return standard_checks(self.connections)

    @cached_property
    def catalog(self) -> Catalog:
        return read_catalog(self.settings.playbook_folders, self.actions, self.checks)

    @cached_property
    def notifiers(self) -> tuple[Notifier, ...]:
        token, channel = self.settings.slack_token, self.settings.slack_channel
        if token is None or channel is None:
            return ()
        slack = SlackSettings(token=token, channel=channel, base_url=self.settings.slack_url)
        return (SlackNotifier(slack, SqlMessageRefs(self.engine)),)

    @cached_property
    def changes(self) -> tuple[ChangeSource, ...]:
        return (GitChanges(self.connections),)

    @cached_property
    def metric_agent(self) -> MetricAgent:
        return MetricAgent(
            rolling=Rolling(self.telemetry),
            memory=QuietMemory(self.telemetry, self.settings.home / "quiet", self.settings.remember_quiet),
            snapshots=self.snapshots,
            incidents=self.incidents,
            changes=self.changes,
            intake=self.intake,
            look_back=self.settings.look_back,
        )

    @cached_property
    def root_cause_agent(self) -> RootCauseAgent:
        return RootCauseAgent(self.snapshots, self.priors)

    @cached_property
    def remediation_agent(self) -> RemediationAgent:
        return RemediationAgent(
            catalog=self.catalog,
            policy=self.policy,
            connections=self.connections,
            actions=self.actions,
            checks=self.checks,
            priors=self.priors,
            incidents=self.incidents,
            journal=SqlJournal(self.engine),
            approvals=self.approvals,
            audit=self.audit,
            notifiers=self.notifiers,
        )

    @cached_property
    def learning_agent(self) -> LearningAgent:
        return LearningAgent(self.priors, self.catalog, self.incidents, self.audit)

    def connections(self) -> Connections:
        """What may be touched of the watched systems; read anew each time, so that people can change it."""
        return read_connections(self.settings.connections_folder)

    def policy(self) -> Policy:
        """The gate's policy; read anew each time. No file means the defaults."""
        return read_policy(_text(self.settings.policy_file), str(self.settings.policy_file))


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""

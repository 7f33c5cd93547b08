"""The house: everything built from the settings. The only place where ports meet vendors."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine
from temporalio.client import Client

from causal.errors import Unavailable
from causal.evidence import Alert
from integrations.actions import standard_actions, standard_checks
from integrations.anchors import Anchor, read_anchors
from integrations.backends.source import TelemetrySource
from integrations.backends.written import read_sources
from integrations.connections import Connections, read_connections
from integrations.database import open_database
from integrations.git_changes import GitChanges
from integrations.pagerduty_changes import PagerDutyChanges
from integrations.people import PeopleFile
from integrations.ports import Actions, ChangeSource, Checks, Notifier, TelemetryStore
from integrations.redacted_store import RedactedStore
from integrations.redaction import Redactor, read_redaction
from integrations.slack_api import SlackApi
from integrations.slack_messages import SqlMessageRefs
from integrations.snapshots import FolderSnapshots
from integrations.store import (
    SqlApprovals,
    SqlAuditLog,
    SqlIncidents,
    SqlJournal,
    SqlKillSwitch,
    SqlLocks,
    SqlPriorStore,
    SqlSeenEvents,
)
from integrations.telemetry_store import DiskTelemetryStore
from playbooks.catalog import Catalog, read_catalog
from playbooks.gate import Policy, read_policy
from playbooks.maintenance import read_maintenance
from workers.answering import Answering
from workers.braking import Brakes
from workers.intake import Intake
from workers.learning_agent import LearningAgent
from workers.metric_agent import MetricAgent
from workers.notifying import notifiers_of, pagerduty_rest, slack_settings
from workers.pagerduty_door import PagerDutyDoor
from workers.quiet_memory import QuietMemory
from workers.remediation_agent import RemediationAgent
from workers.rolling import Rolling
from workers.root_cause_agent import RootCauseAgent
from workers.settings import Settings
from workers.slack_commands import Commands
from workers.slack_door import SlackDoor
from workers.tail import Tail


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
    def telemetry(self) -> TelemetryStore:
        settings = self.settings
        kept = DiskTelemetryStore(
            settings.telemetry_folder, settings.telemetry_keep_seconds, settings.telemetry_keep_bytes
        )
        return RedactedStore(kept, self.redactor)

    @cached_property
    def tail(self) -> Tail:
        settings = self.settings
        return Tail(self.sources, self.telemetry, settings.home / "tail.json", settings.look_back)

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
    def locks(self) -> SqlLocks:
        return SqlLocks(self.engine)

    @cached_property
    def kill_switch(self) -> SqlKillSwitch:
        return SqlKillSwitch(self.engine)

    @cached_property
    def people(self) -> PeopleFile:
        return PeopleFile(self.settings.people_file)

    @cached_property
    def seen(self) -> SqlSeenEvents:
        return SqlSeenEvents(self.engine)

    @cached_property
    def audit(self) -> SqlAuditLog:
        return SqlAuditLog(self.engine)

    @cached_property
    def anchors(self) -> tuple[Anchor, ...]:
        return read_anchors(self.settings.audit_anchors, self.settings.audit_anchor_token_file)

    @cached_property
    def priors(self) -> SqlPriorStore:
        return SqlPriorStore(self.engine)

    @cached_property
    def intake(self) -> Intake:
        return Intake(self.incidents, self.client, self.settings.correlate_within, expected=self.expected)

    @cached_property
    def answering(self) -> Answering:
        key = self.settings.approval_key
        return Answering(self.approvals, self.incidents, self.audit, self.client, key)

    @cached_property
    def slack_door(self) -> SlackDoor | None:
        """Who serves people in Slack; None where Slack is not set up."""
        slack, answering = slack_settings(self.settings), self.answering
        if slack is None:
            return None
        commands = Commands(answering, self.brakes, self.incidents)
        people, to_all = self.people.read, self.settings.slack_open
        return SlackDoor(answering, commands, self.incidents, people, SlackApi(slack), self.seen, to_all)

    @cached_property
    def pagerduty_door(self) -> PagerDutyDoor:
        return PagerDutyDoor(self.answering, self.people.read, self.seen, pagerduty_rest(self.settings))

    @cached_property
    def brakes(self) -> Brakes:
        return Brakes(self.kill_switch, self.audit)

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
        return notifiers_of(self.settings, lambda: SqlMessageRefs(self.engine))

    @cached_property
    def redactor(self) -> Redactor:
        return Redactor(read_redaction(self.settings.redaction_file), self.settings.redaction_key())

    @cached_property
    def changes(self) -> tuple[ChangeSource, ...]:
        rest = pagerduty_rest(self.settings)
        return (GitChanges(self.connections), *([PagerDutyChanges(rest)] if rest else []))

    @cached_property
    def metric_agent(self) -> MetricAgent:
        return MetricAgent(
            rolling=Rolling(self.telemetry),
            memory=QuietMemory(self.telemetry, self.settings.home / "quiet", self.settings.remember_quiet),
            snapshots=self.snapshots,
            incidents=self.incidents,
            changes=self.changes,
            intake=self.intake,
            tail=self.tail,
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
            people=self.people.read,
            approval_key=self.settings.approval_key,
            actions=self.actions,
            checks=self.checks,
            priors=self.priors,
            incidents=self.incidents,
            journal=SqlJournal(self.engine),
            approvals=self.approvals,
            audit=self.audit,
            locks=self.locks,
            kill_switch=self.kill_switch,
            notifiers=self.notifiers,
        )

    @cached_property
    def learning_agent(self) -> LearningAgent:
        return LearningAgent(self.priors, self.catalog, self.incidents, self.audit, self.policy, self.anchors)

    def expected(self, alert: Alert) -> str | None:
        """Why an alert is expected just now; the maintenance windows are read anew each time."""
        file = self.settings.home / "maintenance.yaml"
        return read_maintenance(_text(file), str(file)).expected(alert, time.time())

    def connections(self) -> Connections:
        """What may be touched of the watched systems; read anew each time, so that people can change it."""
        return read_connections(self.settings.connections_folder)

    def sources(self) -> tuple[TelemetrySource, ...]:
        """Where others keep telemetry of the watched systems; read anew each time."""
        return read_sources(self.settings.sources_file)

    def policy(self) -> Policy:
        """The gate's policy; read anew each time. No file means the defaults."""
        return read_policy(_text(self.settings.policy_file), str(self.settings.policy_file))


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""

"""The policy: what a site lets automation do, written by people as YAML and read anew at each decision.

    autonomy: approve                    # observe < suggest < approve < auto, where no rule says otherwise
    suggest_above: 0.70                  # P(cause) from which a human is asked; below it a plan is only shown
    act_above: 0.99                      # P(cause) x floor of confidence to act alone, where history is short
    min_verified_successes: 5            # of a playbook with a kind of fault, before it may act alone
    rules:                               # the first that matches counts; a field left out is as above
      - {playbook: "restart-*", service: "cart*", environment: staging, autonomy: auto, act_above: 0.9}
    freezes:                             # what may be done at most while they last; observe is nothing
      - {because: end of year, from: 2026-12-20T18:00, to: 2027-01-04T08:00, zone: Europe/Berlin}
      - {because: nobody is in, weekdays: [sat, sun], hours: "00:00-24:00", zone: UTC, at_most: approve}
    frozen_targets: ["repository:ledger*"]
    max_blast_radius: {production: 1, "*": 5}
    rate_limits: {alone_per_hour: 6, alone_per_day: 24, alone_per_service_and_day: 6}
    error_budget: {wrong_at_most: 0.05, certainty: 0.95, window: 90d, wrong_alone_at_most: 3}
    not_again_within: 24h                # a fix that brought no recovery is not tried again on its target
    stopped: false

Names are shell patterns (``*``, ``?``, ``[ab]``) that are compared with upper and lower case as they stand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from causal.errors import MalformedSettings
from causal.evidence import Fact, Probability
from playbooks.calendar import Stretch
from playbooks.remedy import Duration, Written
from playbooks.written import Document, Problem, combined, read_as

Autonomy = Literal["observe", "suggest", "approve", "auto"]
LEVELS: tuple[Autonomy, ...] = ("observe", "suggest", "approve", "auto")


class Rule(Written):
    """What holds for some playbooks on some services in some environments; None is as for all others."""

    playbook: str = "*"
    service: str = "*"
    environment: str = "*"
    autonomy: Autonomy | None = None
    suggest_above: Probability | None = None
    act_above: Probability | None = None
    min_verified_successes: int | None = Field(default=None, ge=0)

    def matches(self, playbook: str, service: str, environment: str) -> bool:
        """Whether the rule is about this playbook on this service in this environment."""
        return (
            fnmatchcase(playbook, self.playbook)
            and fnmatchcase(service, self.service)
            and fnmatchcase(environment, self.environment)
        )


class Freeze(Stretch):
    """A time in which automation keeps still.

    It is about the targets and environments that its patterns match, and allows ``at_most`` the level that it
    names.
    """

    target: str = "*"
    environment: str = "*"
    at_most: Autonomy = "observe"

    def touches(self, targets: Iterable[str], environment: str) -> tuple[str, ...]:
        """Return those of the targets that the freeze is about, in this environment."""
        if not fnmatchcase(environment, self.environment):
            return ()
        return tuple(sorted(target for target in targets if fnmatchcase(target, self.target)))


class RateLimits(Written):
    """How often automation may act without asking; beyond it a human is asked. None is without limit."""

    alone_per_hour: int | None = Field(default=6, ge=0)
    alone_per_day: int | None = Field(default=24, ge=0)
    alone_per_service_and_day: int | None = Field(default=6, ge=0)


class ErrorBudget(Written):
    """How often automation may be wrong.

    A deed is wrong that brought no verified recovery, or whose cause a human corrected. Automation acts alone
    only where, by the site's own deeds of the last ``window`` (s), the rate of wrong ones is at most
    ``wrong_at_most`` with this ``certainty`` (`playbooks.risk`), and only as long as fewer than
    ``wrong_alone_at_most`` deeds without a human were wrong within it.
    """

    wrong_at_most: float = Field(default=0.05, gt=0, lt=1)
    certainty: float = Field(default=0.95, ge=0.5, lt=1)
    window: Duration = 90 * 86_400.0
    wrong_alone_at_most: int = Field(default=3, ge=0)


class Terms(Fact):
    """What the policy says of one playbook on one service in one environment, and which of its rules."""

    rule: int | None = None
    autonomy: Autonomy
    suggest_above: Probability
    act_above: Probability
    min_verified_successes: int


class Policy(Written):
    """What a site allows; the defaults ask a human about everything that is likely enough to help."""

    autonomy: Autonomy = "approve"
    suggest_above: Probability = 0.70
    act_above: Probability = 0.99
    min_verified_successes: int = Field(default=5, ge=0)
    rules: tuple[Rule, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    frozen_targets: tuple[str, ...] = ()
    max_blast_radius: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    rate_limits: RateLimits = RateLimits()
    error_budget: ErrorBudget = ErrorBudget()
    not_again_within: Duration = 86_400.0
    stopped: bool = False

    @model_validator(mode="after")
    def _thresholds_are_in_order(self) -> Self:
        if says := _out_of_order(self.act_above, self.suggest_above):
            raise ValueError(says)
        return self

    def terms(self, playbook: str, service: str, environment: str) -> Terms:
        """Return what holds for a playbook on a service in an environment: the first rule that matches."""
        for number, rule in enumerate(self.rules, start=1):
            if rule.matches(playbook, service, environment):
                return self.under(rule, number)
        return self.under(Rule())

    def under(self, rule: Rule, number: int | None = None) -> Terms:
        """Return what holds where a rule applies; what it leaves out is as for all others."""
        own = rule.model_dump(include=set(Terms.model_fields), exclude_none=True)
        general = self.model_dump(include=set(Terms.model_fields))
        return Terms(**{**general, **own}, rule=number)

    def widest(self, environment: str) -> int | None:
        """Return how many targets of one kind a plan may act on there (None: as many as it likes)."""
        return self.max_blast_radius.get(environment, self.max_blast_radius.get("*"))

    def digest(self) -> str:
        """SHA-256 (hex) of what the policy says, whatever the order of its fields; for the audit log."""
        said = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()


def read_policy(text: str, where: str) -> Policy:
    """Read a policy (an empty text is the default); MalformedSettings names file, line and column."""
    reading = read_as(Policy, text, where)
    policy = reading.or_raise(MalformedSettings)
    if problems := tuple(_rules_out_of_order(policy, reading.document)):
        raise combined(problems, MalformedSettings)
    return policy


def _rules_out_of_order(policy: Policy, document: Document) -> Iterator[Problem]:
    for at, rule in enumerate(policy.rules):
        terms = policy.under(rule)
        if says := _out_of_order(terms.act_above, terms.suggest_above):
            yield document.problem(("rules", at), says)


def _out_of_order(act_above: float, suggest_above: float) -> str:
    if act_above >= suggest_above:
        return ""
    return f"act_above ({act_above}) must not be below suggest_above ({suggest_above})"

"""Autonomy is withdrawn and given back on the record."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from causal.errors import NotFound
from causal.evidence import Deed, Fault, Lesson
from integrations.memory import MemoryAuditLog, MemoryPriorStore
from workers.autonomy import Autonomy

NOW = 1000.0


@dataclass
class Site:
    """A site, and what its deeds came to."""

    priors: MemoryPriorStore = field(default_factory=MemoryPriorStore)
    audit: MemoryAuditLog = field(default_factory=MemoryAuditLog)

    @property
    def autonomy(self) -> Autonomy:
        return Autonomy(self.priors, self.audit)

    def deeds(self, count: int, playbook: str = "mend", *, wrong: bool = True, start: float = 0.0) -> None:
        for number in range(1, count + 1):
            deed = Deed(
                incident=f"{playbook}{start}{number}",
                playbook=playbook,
                fault=Fault.CPU,
                service="cart",
                chance=0.9,
                alone=True,
                wrong=wrong,
                at=start + number,
            )
            self.priors.learn(Lesson(incident=deed.incident, at=deed.at, deed=deed))

    @property
    def events(self) -> list[str]:
        return [row.entry.event for row in self.audit.rows()]

    @property
    def withdrawn(self) -> list[str]:
        return [demotion.playbook for demotion in self.priors.current().demotions]


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def drifted() -> Site:
    """A site where autonomy was withdrawn from one playbook."""
    site = Site()
    site.deeds(8)
    site.autonomy.check(NOW)
    return site


def test_a_check_that_changes_nothing_is_not_on_record(site: Site) -> None:
    site.deeds(5, wrong=False)
    site.autonomy.check(NOW)
    assert site.events == []


def test_drift_withdraws_autonomy(drifted: Site) -> None:
    assert drifted.withdrawn == ["mend"]


def test_what_was_withdrawn_is_on_record_before_the_check_that_did_it(drifted: Site) -> None:
    assert drifted.events == ["autonomy.demoted", "drift.checked"]


def test_a_second_check_changes_nothing(drifted: Site) -> None:
    drifted.autonomy.check(NOW + 1.0)
    assert (drifted.withdrawn, len(drifted.events)) == (["mend"], 2)


def test_a_check_that_is_tried_again_withdraws_once(site: Site) -> None:
    site.deeds(8)
    site.autonomy.check(NOW)
    site.autonomy.check(NOW)
    assert site.events.count("autonomy.demoted") == 1


def test_a_person_gives_autonomy_back_with_a_reason(drifted: Site) -> None:
    drifted.autonomy.give_back("mend", by="ada", because="it was mended", at=NOW + 1)
    assert (drifted.withdrawn, drifted.events[-1]) == ([], "autonomy.restored")


def test_all_that_was_withdrawn_is_given_back_where_no_playbook_is_named(drifted: Site) -> None:
    drifted.deeds(8, "restart")
    drifted.autonomy.check(NOW + 1)
    drifted.autonomy.give_back("", by="ada", because="mended", at=NOW + 2)
    assert drifted.withdrawn == []


def test_what_was_given_back_is_not_withdrawn_for_the_same_deeds(drifted: Site) -> None:
    drifted.autonomy.give_back("mend", by="ada", because="mended", at=NOW + 1)
    drifted.autonomy.check(NOW + 2)
    assert drifted.withdrawn == []


def test_new_wrong_deeds_withdraw_it_again(drifted: Site) -> None:
    drifted.autonomy.give_back("mend", by="ada", because="mended", at=NOW + 1)
    drifted.deeds(8, start=NOW + 10)
    drifted.autonomy.check(NOW + 100)
    assert drifted.withdrawn == ["mend"]


def test_many_right_deeds_give_it_back(drifted: Site) -> None:
    drifted.deeds(60, wrong=False, start=NOW + 10)
    drifted.autonomy.check(NOW + 100)
    assert (drifted.withdrawn, drifted.events.count("autonomy.restored")) == ([], 1)


def test_what_was_not_withdrawn_cannot_be_given_back(drifted: Site) -> None:
    with pytest.raises(NotFound, match="withdrawn is: mend"):
        drifted.autonomy.give_back("other", by="ada", because="mended", at=NOW)

from __future__ import annotations

import re

import pytest

from causal.errors import Refused
from causal.evidence import Fault
from playbooks.catalog import LIBRARY, cures, read_catalog, read_playbook
from playbooks.example import example
from playbooks.lookups import facts_of, parameter_values
from playbooks.remedy import Cure, Playbook
from tests.playbooks.cases import standard_known
from tests.playbooks.test_lint import SOUND

SHIPPED = read_catalog([LIBRARY], *standard_known()).playbooks
EACH_CURE = [(playbook, cure) for playbook in SHIPPED.values() for cure in playbook.cures]


@pytest.mark.parametrize(
    ("playbook", "cure"), EACH_CURE, ids=lambda each: getattr(each, "name", None) or each.fault
)
def test_a_made_up_incident_is_one_that_its_playbook_cures(playbook: Playbook, cure: Cure) -> None:
    assert cures(playbook, example(playbook, cure).diagnosis.hypotheses[0])


@pytest.mark.parametrize(
    ("playbook", "cure"), EACH_CURE, ids=lambda each: getattr(each, "name", None) or each.fault
)
def test_every_parameter_has_a_made_up_value_that_fits(playbook: Playbook, cure: Cure) -> None:
    made = example(playbook, cure)
    facts = facts_of(made.diagnosis.hypotheses[0], made.alert, "inc-1", made.facts)
    for name, value in parameter_values(playbook.parameters, facts).items():
        pattern = playbook.parameters[name].pattern
        assert pattern is None or re.fullmatch(pattern, str(value))


def test_only_a_fault_that_is_a_change_has_one() -> None:
    playbook = read_playbook(SOUND.replace("{fault: config_change}", "{fault: cpu}"), "x.yaml")
    assert example(playbook, Cure(fault=Fault.CPU)).diagnosis.hypotheses[0].change is None


def test_a_pattern_that_nothing_made_up_matches_is_told() -> None:
    playbook = read_playbook(SOUND.replace('"^[a-z-]+$"', '"(?=b)a"'), "x.yaml")
    with pytest.raises(Refused, match=r"nothing made up for \$cause.service matches"):
        example(playbook, playbook.cures[0])

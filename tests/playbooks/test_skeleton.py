from __future__ import annotations

import pytest

from causal.evidence import Fault
from playbooks.catalog import check_playbook
from playbooks.insertions import FILL_IN
from playbooks.schema import HINT
from playbooks.skeleton import skeleton
from tests.playbooks.cases import standard_known

ACTIONS, CHECKS = standard_known()


@pytest.mark.parametrize("fault", Fault)
def test_a_skeleton_for_any_fault_lints_clean(fault: Fault) -> None:
    text = skeleton("mine", fault, None, ACTIONS)
    assert check_playbook(text, "mine.yaml", ACTIONS, CHECKS)[1] == ()


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_a_skeleton_says_exactly_what_is_still_to_be_filled_in(action: str) -> None:
    text = skeleton("mine", Fault.CONFIG_CHANGE, action, ACTIONS)
    marked = {number for number, line in enumerate(text.splitlines(), 1) if FILL_IN in line}
    problems = check_playbook(text, "mine.yaml", ACTIONS, CHECKS)[1]
    assert {problem.line for problem in problems if problem.severity == "error"} == marked


def test_a_skeleton_begins_with_the_editors_hint() -> None:
    assert skeleton("mine", Fault.ERRORS, None, ACTIONS).startswith(f"{HINT}\n")


@pytest.mark.parametrize(
    ("action", "undo"),
    [
        ("git.revert", "git.revert_revert"),
        ("git.pull_request", "git.pull_request_close"),
        ("file.set", "file.restore"),
        ("alertmanager.silence", "alertmanager.expire"),
        ("kubernetes.cordon", "kubernetes.uncordon"),
    ],
)
def test_a_skeleton_takes_an_undo_that_its_action_can_fill(action: str, undo: str) -> None:
    assert f"undo: {{action: {undo}}}" in skeleton("mine", Fault.CONFIG_CHANGE, action, ACTIONS)

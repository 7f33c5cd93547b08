from __future__ import annotations

import pytest

from playbooks.catalog import check_playbook
from playbooks.known import reported_by
from playbooks.site import Site
from playbooks.written import Problem
from tests.playbooks.cases import standard_known

SOUND = """\
name: mend
description: Mends a service.
cures:
  - {fault: config_change}
impact: high
parameters:
  service: {from: $cause.service, pattern: "^[a-z-]+$"}
  commit: {from: $cause.change.id, pattern: "^[0-9a-f]{7,40}$"}
preconditions:
  - {check: change_is_latest, with: {commit: $commit}}
steps:
  - id: revert
    action: git.revert
    with: {repository: shop-config, commit: $commit}
    undo: {action: git.revert_revert}
  - id: reload
    action: http.request
    with: {connection: shop-admin, method: POST, path: "/reload/${service}"}
verify:
  recovered_when: {signal: $alert.signal, within: 10m, quiet_for: 3m}
limits: {per_service_cooldown: 30m}
approval: {approvers: [sre], quorum: 1, expires: 30m, escalate_to: [lead], escalate_after: 10m}
"""
CONNECTIONS = {"repositories": frozenset({"shop-config"}), "http": frozenset({"shop-admin"})}
ROLES = {"sre": frozenset({"ada", "bob"}), "lead": frozenset({"cy"})}


def found(text: str, site: Site | None = None) -> tuple[Problem, ...]:
    return check_playbook(text, "mend.yaml", *standard_known(), site or Site())[1]


def changed(old: str, new: str) -> str:
    assert old in SOUND
    return SOUND.replace(old, new)


def test_a_sound_playbook_has_neither_problem_nor_warning() -> None:
    assert found(SOUND, Site(CONNECTIONS, ROLES)) == ()


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("{fault: config_change}", "{fault: cpu}", "8:12", "where a change is blamed, never for cpu"),
        ("{fault: config_change}", "{fault: deployment, entity: edge}", "4:25", "never on an edge"),
        ("{fault: config_change}", "{fault: cpu, entity: change}", "4:18", "cpu is never blamed on a change"),
        ('"^[0-9a-f]{7,40}$"}', '"^[0-9a-f]{7}$", default: HEAD}', "8:62", "'HEAD' does not match"),
        ("{from: $cause.service,", "{from: CART,", "7:13", "'CART' does not match the pattern"),
        ("commit: $commit}\n    undo", "commit: HEAD}\n    undo", "14:37", "git.revert refuses this"),
        ('"/reload/${service}"', '"reload/${service}"', "18:50", "is no path"),
        ('"/reload/${service}"', '"/reload/../${service}"', "18:50", "holds . or .. as a part"),
        ("{action: git.revert_revert}", "{action: git.revert, with: {commit: $effect.hash, repository: x}}",
         "15:39", "not report hash"),
        ("within: 10m", "within: 2m", "20:43", "can not hold 180 s of quiet"),
        ("escalate_after: 10m", "escalate_after: 30m", "22:76", "closed after 1800 s"),
        ("method: POST", "method: FETCH", "18:36", "http.request refuses this"),
        ('path: "/reload/${service}"', 'path: /x, body: {"${service}": 1}', "18:67", "never filled in"),
        ('path: "/reload/${service}"', "path: FILL-IN", "18:50", "is still to be filled in"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_at_its_place(old: str, new: str, place: str, says: str) -> None:
    problems = [problem for problem in found(changed(old, new)) if says in problem.says]
    assert [(f"{each.line}:{each.column}", each.severity) for each in problems] == [(place, "error")]


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("{fault: config_change}", "{fault: config_change}\n  - {fault: cpu}", "9:12", "never for cpu"),
        ("{fault: config_change}", "{fault: config_change}\n  - {fault: config_change}", "5:5", "twice"),
        ("steps:", "  # nothing\nsteps:", "", ""),
        ("per_service_cooldown: 30m", "per_service_cooldown: 5m", "21:10", "before it is known"),
        ("/reload/${service}", "/reload", "7:3", "is used nowhere"),
        (", escalate_to: [lead]", "", "22:55", "escalates to nobody"),
        ("[sre], quorum: 1", "[sre], quorum: 3", "22:30", "people.yaml is not there"),
    ],
)  # fmt: skip
def test_what_is_hardly_meant_is_a_warning(old: str, new: str, place: str, says: str) -> None:
    told = [(f"{each.line}:{each.column}", each.severity) for each in found(changed(old, new))]
    assert told == ([(place, "warning")] if says else [])


def test_a_step_after_one_that_can_only_fail_is_out_of_reach() -> None:
    text = changed("commit: $commit}\n    undo", "commit: HEAD}\n    undo")
    assert "is never reached: step 0 (revert) can only fail" in str(found(text)[1])


def test_no_step_is_reached_after_a_precondition_that_can_only_fail() -> None:
    text = changed("with: {commit: $commit}}", "with: {commit: HEAD}}")
    unreached = [str(each) for each in found(text) if "never reached" in each.says]
    assert [each.split(" ")[0] for each in unreached] == ["mend.yaml:12:5:", "mend.yaml:16:5:"]


def test_warnings_are_told_once_there_is_no_error_left() -> None:
    text = changed("per_service_cooldown: 30m", "per_service_cooldown: 5m").replace(
        "quiet_for: 3m", "quiet_for: 3h"
    )
    assert {each.severity for each in found(text)} == {"error"}


def test_free_text_without_a_pattern_is_refused_even_alone() -> None:
    text = changed(
        'method: POST, path: "/reload/${service}"', "method: POST, path: /x, body: $title"
    ).replace("  service: {from: $cause.service, ", "  service: {from: $cause.service, ")
    text = text.replace("parameters:\n", "parameters:\n  title: {from: $cause.change.title}\n")
    assert "is whatever somebody wrote there" in str(found(text)[0])


def test_text_inside_text_that_nothing_escapes_is_warned_about() -> None:
    text = changed(
        'method: POST, path: "/reload/${service}"', 'method: POST, path: /x, body: "of ${service}"'
    )
    text = text.replace(', pattern: "^[a-z-]+$"', "")
    assert "put inside text that nothing escapes" in str(found(text)[0])


def test_a_connection_that_is_nowhere_is_named_with_the_nearest() -> None:
    text = changed("repository: shop-config", "repository: shop-confg")
    (problem,) = found(text, Site(CONNECTIONS))
    assert str(problem).startswith(
        "mend.yaml:14:12: steps.0.with.repository: no file of connections.d has shop-confg"
    )


def test_without_connections_nothing_is_held_against_them() -> None:
    assert found(changed("repository: shop-config", "repository: other")) == ()


def test_a_role_that_nobody_has_is_named() -> None:
    (problem,) = found(changed("[sre]", "[sree]"), Site(None, ROLES))
    assert "nobody in people.yaml has the role sree; did you mean sre?" in str(problem)


def test_a_quorum_that_nobody_can_reach_is_refused() -> None:
    (problem,) = found(changed("quorum: 1", "quorum: 4"), Site(None, ROLES))
    assert "4 people must approve and 3 may" in str(problem)


@pytest.mark.parametrize("name", sorted(standard_known()[0]))
def test_every_action_says_what_it_reports(name: str) -> None:
    assert reported_by(standard_known()[0][name]) is not None

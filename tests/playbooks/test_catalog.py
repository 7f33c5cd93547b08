from __future__ import annotations

from pathlib import Path

import pytest

from causal.errors import MalformedPlaybook, NotFound
from causal.evidence import Fault
from playbooks.catalog import check_playbook, playbook_digest, read_catalog, read_playbook
from tests.playbooks.cases import MEND, catalog_of, hypothesis, instance, memory_known, standard_known

DESIGN_EXAMPLE = """\
name: revert-config-change
description: Put a service's configuration back to the commit before the one that broke it.
cures:
  - {fault: config_change, entity: service}
impact: high                      # low | high; high always asks a human
confidence: {prior: 0.7, weight: 4}
parameters:
  service: {from: $cause.service}
  commit:  {from: $cause.change.id, pattern: "^[0-9a-f]{7,40}$"}
preconditions:
  - {check: change_is_latest, with: {commit: $commit}}
steps:
  - id: revert
    action: git.revert
    with: {repository: shop-config, commit: $commit}
    timeout: 60s
    retry: {attempts: 3, backoff: 2s}
    undo: {action: git.revert_revert}
  - id: reload
    action: http.request
    with: {connection: shop-admin, method: POST, path: "/reload/${service}"}
verify:
  recovered_when: {signal: $alert.signal, within: 10m, quiet_for: 3m}
limits: {per_service_cooldown: 30m, max_runs_per_day: 6, blast_radius: 1}
approval: {approvers: [sre], quorum: 1, expires: 30m, escalate_to: [sre-lead]}
"""


def problems(text: str) -> list[str]:
    _, found = check_playbook(text, "mend.yaml", *memory_known())
    return [str(problem) for problem in found]


def changed(old: str, new: str) -> str:
    assert old in MEND
    return MEND.replace(old, new)


def test_a_full_playbook_has_no_problems() -> None:
    assert check_playbook(DESIGN_EXAMPLE, "x.yaml", *standard_known())[1] == ()


def test_an_unknown_field_names_file_line_column_and_the_nearest_field() -> None:
    with pytest.raises(
        MalformedPlaybook, match=r"mend\.yaml:4:1: impct: unknown field; did you mean impact\?"
    ):
        read_playbook(changed("impact: high", "impct: high"), "mend.yaml")


def test_an_unknown_field_of_a_step_is_found_at_its_own_line() -> None:
    (problem,) = problems(changed("    action: memory.act", "    action: memory.act\n    retires: 3"))
    assert problem.startswith("mend.yaml:12:5: steps.0.retires: unknown field; did you mean retry?")


@pytest.mark.parametrize(
    ("old", "new", "where", "says"),
    [
        ("from: $cause.service", "from: $cause.servise", "7:13", "did you mean $cause.service?"),
        ("{7,40}$", "{7,40$)", "8:36", "is not a regular expression"),
        ("$commit}", "$comit}", "12:40", "did you mean commit?"),
        ("value: $commit", "value: x-$commit", "12:40", "write ${commit} inside text"),
        ("value: $commit", 'value: "${commit.id}"', "12:40", "names no parameter"),
        ("value: $commit", "value: 5 $", "12:40", "$$ for a dollar sign"),
        ("value: $commit", "value: $effect.target", "12:40", "may stand in an undo alone"),
        ("value: $commit", "valu: $commit", "12:40", "memory.act takes no valu; did you mean value?"),
        ('target: "first-${service}", ', "", "12:5", "memory.act needs target"),
        ("memory.act\n", "memory.akt\n", "11:5", "there is no action memory.akt; did you mean memory.act?"),
        ("memory.undo", "memory.redo", "13:12", "there is no action memory.redo"),
        ("$alert.signal", "$alert.sinal", "15:20", "did you mean $alert.signal?"),
        ("prior: 0.7", "prior: 1.0", "5:14", "nobody is certain"),
    ],
)
def test_each_rule_names_its_place_and_what_to_write(old: str, new: str, where: str, says: str) -> None:
    (problem,) = problems(changed(old, new))
    assert problem.startswith(f"mend.yaml:{where}: ")
    assert says in problem


def test_each_part_of_an_undo_is_held_to_the_rules() -> None:
    then = "with: {target: $effect.target}, then: [{action: memory.redo}]}"
    (problem,) = problems(changed("with: {target: $effect.target}}", then))
    assert "steps.0.undo.then.0.action: there is no action memory.redo" in problem


def test_a_step_id_may_not_stand_twice() -> None:
    text = changed("verify:", "  - {id: first, action: memory.act, with: {target: x}}\nverify:")
    assert problems(text) == ["mend.yaml:14:6: steps.1.id: step 0 is called first already; choose another"]


def test_an_unknown_check_is_named() -> None:
    text = changed("steps:", "preconditions: [{check: memory.chek, with: {target: x}}]\nsteps:")
    assert "did you mean memory.check?" in problems(text)[0]


def test_a_change_that_is_neither_undone_nor_verified_is_refused() -> None:
    bare = MEND.split("    undo:", maxsplit=1)[0]
    assert "say how to take it back" in problems(bare)[0]


def test_a_change_with_an_undo_needs_no_verification() -> None:
    assert problems(MEND.split("verify:", maxsplit=1)[0]) == []


def test_an_undo_without_arguments_takes_them_from_the_effect() -> None:
    assert (
        problems(changed("{action: memory.undo, with: {target: $effect.target}}", "{action: memory.undo}"))
        == []
    )


def test_all_problems_of_all_files_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(changed("high", "huge"))
    (tmp_path / "b.yaml").write_text(changed("$cause.service", "$cause.srvice").replace("mend", "other"))
    with pytest.raises(MalformedPlaybook, match=r"(?s)a\.yaml:4:1: impact.*b\.yaml:7:13: parameters"):
        read_catalog([tmp_path], *memory_known())


def test_two_playbooks_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(MEND)
    with pytest.raises(
        MalformedPlaybook, match=r"b\.yaml:1:1: name: mend is the name of the playbook in .*a\.yaml"
    ):
        read_catalog([tmp_path], *memory_known())


def test_a_file_that_is_no_text_is_a_problem_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MalformedPlaybook, match=r"a\.yaml:1:1: can not be read"):
        read_catalog([tmp_path], *memory_known())


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_catalog([tmp_path / "none"], *memory_known()).playbooks == {}


def test_an_unknown_playbook_is_not_found() -> None:
    with pytest.raises(NotFound, match="there are mend"):
        catalog_of(MEND).get("cure-all")


def test_a_playbook_for_services_cures_an_instance_of_one() -> None:
    assert [each.name for each in catalog_of(MEND).that_cure(instance())] == ["mend"]


def test_a_playbook_for_another_kind_of_entity_does_not_cure() -> None:
    assert catalog_of(changed("entity: service", "entity: model")).that_cure(instance()) == ()


def test_a_playbook_for_another_fault_does_not_cure() -> None:
    assert catalog_of(MEND).that_cure(hypothesis(fault=Fault.MEMORY)) == ()


def test_comments_do_not_change_a_playbooks_digest() -> None:
    commented = read_playbook("# a note\n" + MEND, "x")
    assert playbook_digest(commented) == playbook_digest(read_playbook(MEND, "y"))


def test_another_word_changes_a_playbooks_digest() -> None:
    other = read_playbook(changed("within: 5m", "within: 6m"), "x")
    assert playbook_digest(other) != playbook_digest(read_playbook(MEND, "y"))

from __future__ import annotations

from pathlib import Path

import pytest

from causal.evidence import Fault
from playbooks.catalog import LIBRARY, check_file, playbook_files, read_catalog
from tests.playbooks.cases import standard_known

SHIPPED = playbook_files([LIBRARY])
# What no restart mends and no revert can take back, because nothing of ours was changed.
LEFT_TO_PEOPLE = (
    Fault.DEPENDENCY,
    Fault.CREDENTIALS,
    Fault.CONFIGURATION,
    Fault.RATE_LIMITED,
    Fault.CONTENTION,
    Fault.BAD_DATA,
    Fault.MODEL_LIMIT,
)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_playbook_of_the_library_is_sound(file: Path) -> None:
    assert check_file(file, *standard_known())[1] == ()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_playbook_of_the_library_says_when_to_use_it(file: Path) -> None:
    assert file.read_text().startswith("# When to use it: ")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_playbook_of_the_library_lies_under_its_name(file: Path) -> None:
    playbook, _ = check_file(file, *standard_known())
    assert playbook is not None
    assert playbook.name == file.stem


def test_the_library_cures_every_fault_that_is_not_left_to_people() -> None:
    catalog = read_catalog([LIBRARY], *standard_known())
    cured = {cure.fault for playbook in catalog.playbooks.values() for cure in playbook.cures}
    assert set(Fault) - cured == {Fault.UNKNOWN, *LEFT_TO_PEOPLE}

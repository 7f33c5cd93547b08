"""people.yaml: written by people and by ``aitia people``, and read anew each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from causal.errors import Conflict, MalformedSettings, NotFound
from integrations.people import PeopleFile, person_of_slack


@pytest.fixture
def file(tmp_path: Path) -> PeopleFile:
    """A file that is not there yet."""
    return PeopleFile(tmp_path / "people.yaml")


def test_without_a_file_nobody_is_named(file: PeopleFile) -> None:
    assert file.read() is None


def test_a_person_is_recognised_by_the_token_they_were_given(file: PeopleFile) -> None:
    token = file.add("ada", ("sre",), "U1", "ada@example.com")
    person = file.named().with_token(token.encode())
    assert person is not None
    assert (person.name, person.roles, person.slack, person.email) == (
        "ada",
        ("sre",),
        "U1",
        "ada@example.com",
    )


def test_the_token_itself_is_not_written(file: PeopleFile) -> None:
    assert file.add("ada", (), None, None) not in file.path.read_text()


def test_only_its_owner_may_read_the_file(file: PeopleFile) -> None:
    file.add("ada", (), None, None)
    assert file.path.stat().st_mode & 0o077 == 0


def test_what_people_wrote_stays(file: PeopleFile) -> None:
    file.path.write_text("# our team\npeople:\n  - name: bob  # on call\n")
    file.add("ada", (), None, None)
    assert "# our team" in file.path.read_text()
    assert "# on call" in file.path.read_text()


def test_a_name_is_given_once(file: PeopleFile) -> None:
    file.add("ada", (), None, None)
    with pytest.raises(Conflict, match="named in"):
        file.add(" Ada ", (), None, None)


@pytest.mark.parametrize(("slack", "email"), [("nick", None), (None, "no address")])
def test_what_could_not_be_read_again_is_not_written(
    file: PeopleFile, slack: str | None, email: str | None
) -> None:
    with pytest.raises(MalformedSettings):
        file.add("ada", (), slack, email)
    assert not file.path.exists()


def test_who_is_struck_out_is_no_longer_recognised(file: PeopleFile) -> None:
    token = file.add("ada", (), None, None)
    file.remove("ADA")
    assert file.named().with_token(token.encode()) is None


def test_the_last_one_struck_out_leaves_a_file_by_which_nobody_may_answer(file: PeopleFile) -> None:
    file.add("ada", (), None, None)
    file.remove("ada")
    people = file.read()
    assert people is not None
    assert people.people == ()


def test_who_is_not_named_can_not_be_struck_out(file: PeopleFile) -> None:
    with pytest.raises(NotFound, match="nobody is called ada"):
        file.remove("ada")


def test_a_slack_user_is_a_person_by_the_file(file: PeopleFile) -> None:
    file.add("ada", (), "U1", None)
    assert person_of_slack(file.named(), "U1").name == "ada"


def test_a_slack_user_who_is_nobody_is_told_what_to_do(file: PeopleFile) -> None:
    with pytest.raises(NotFound, match="write it to them"):
        person_of_slack(file.named(), "U1")

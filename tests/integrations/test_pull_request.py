from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from causal.errors import Conflict, NotFound, Refused, Unavailable, UnknownEffect
from integrations.connections import Connections, ForgeConnection
from integrations.ports import Effect
from integrations.pull_request import (
    ClosePullRequestParams,
    PullRequest,
    PullRequestClose,
    PullRequestParams,
)
from tests.doubles.forge import PROJECT, TOKEN, Call, ForgeDouble, Kind, forge_double
from tests.integrations.git_world import BAD, CART, GOOD, NAME, STOCK, GitWorld

KEY = "inc-1/p1/propose"
KINDS: tuple[Kind, ...] = ("github", "gitlab", "gitea")


@dataclass
class Site:
    """A clone with a bad commit, and the forge that it is a clone of."""

    clone: GitWorld
    forge: ForgeDouble
    token_file: Path
    project: str = PROJECT

    @property
    def commit(self) -> str:
        return self.clone.git("log", "-1", "--format=%H", "--grep=Smaller pool")

    def connections(self) -> Connections:
        connection = ForgeConnection(
            kind=self.forge.kind,
            base_url=self.forge.url,
            token_file=self.token_file,
            project=self.project,
            repository=NAME,
        )
        (file,) = self.clone.connections().files
        return Connections(files=(file.model_copy(update={"forges": {"forge": connection}}),))

    def propose(self) -> Effect:
        params = PullRequestParams(forge="forge", commit=self.commit)
        return PullRequest(self.connections).execute(params, key=KEY, timeout=10)

    def withdraw(self, effect: Effect) -> Effect:
        facts = {name: effect.facts[name] for name in ("forge", "number", "branch", "commit")}
        params = ClosePullRequestParams.model_validate(facts)
        return PullRequestClose(self.connections).execute(params, key=f"{KEY}/undo", timeout=10)

    def asked(self, method: str) -> list[Call]:
        return [call for call in self.forge.asked if call.method == method]


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    clone = GitWorld.create(tmp_path / "config")
    clone.commit(
        "Smaller pool, @all see `this`\u202e", {CART: BAD, "new.txt": "x", "services/b\u00e4r.yaml": "y"}
    )
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with forge_double(request.param) as forge:
        made = Site(clone, forge, token)
        push(made)
        yield made


def push(site: Site) -> None:
    names = site.clone.git("ls-files", "-z").split("\0")
    site.forge.begin(
        "main", site.clone.head(), {name: (site.clone.path / name).read_bytes() for name in names if name}
    )


def test_the_proposed_branch_holds_what_was_before(site: Site) -> None:
    branch = str(site.propose().facts["branch"])
    assert site.forge.files(branch) == {CART: GOOD.encode(), STOCK: GOOD.encode(), "README": b"notes\n"}


def test_the_proposed_commit_follows_the_base(site: Site) -> None:
    made = site.forge.commits[site.forge.branches[str(site.propose().facts["branch"])]]
    assert (made.parents, f"Aitia-Step: {KEY}" in made.message) == ((site.clone.head(),), True)


def test_the_base_itself_is_left_alone(site: Site) -> None:
    site.propose()
    assert site.forge.branches["main"] == site.clone.head()


def test_nobody_is_mentioned_by_a_commit_title(site: Site) -> None:
    site.propose()
    (pull,) = site.forge.pulls
    assert "(`Smaller pool, @all see 'this'`)" in pull.body


def test_hidden_characters_do_not_reach_the_reviewers(site: Site) -> None:
    site.propose()
    assert "\u202e" not in site.forge.pulls[0].title + site.forge.pulls[0].body


def test_a_proposal_reports_its_number_and_address(site: Site) -> None:
    effect = site.propose()
    assert (effect.facts["number"], str(effect.facts["url"]).endswith("/1")) == (1, True)


def test_a_clone_that_is_behind_its_forge_is_refused(site: Site) -> None:
    site.forge.begin("main", "f" * 40, {})
    with pytest.raises(Refused, match="bring the clone up to date"):
        site.propose()
    assert (len(site.forge.branches), site.forge.pulls) == (1, [])


def test_a_wrong_token_is_refused_and_not_shown(site: Site) -> None:
    site.token_file.write_text("wrong-token")
    with pytest.raises(Refused, match="does not know the token") as caught:
        site.propose()
    assert "wrong-token" not in str(caught.value)


def test_a_project_that_can_not_be_seen_is_refused(site: Site) -> None:
    site.project = "acme/other"
    with pytest.raises((Refused, NotFound), match=r"404|has no branch"):
        site.propose()


@pytest.mark.parametrize("headers", [{"Retry-After": "60"}, {"X-RateLimit-Remaining": "0"}])
def test_a_rate_limit_is_unavailable_and_nothing_was_done(site: Site, headers: dict[str, str]) -> None:
    site.forge.limited = headers
    with pytest.raises(Unavailable, match="rate limit") as caught:
        site.propose()
    assert (isinstance(caught.value, UnknownEffect), list(site.forge.branches)) == (False, ["main"])


LOST = {
    "github": ("POST /repos/acme/shop-config/git/refs", "POST /repos/acme/shop-config/pulls"),
    "gitlab": (
        "POST /projects/acme%2Fshop-config/repository/commits",
        "POST /projects/acme%2Fshop-config/merge_requests",
    ),
    "gitea": ("POST /repos/acme/shop-config/contents", "POST /repos/acme/shop-config/pulls"),
}


@pytest.mark.parametrize("which", [0, 1])
def test_a_lost_answer_leaves_one_pull_request_after_the_next_try(site: Site, which: int) -> None:
    site.forge.lose = LOST[site.forge.kind][which]
    with pytest.raises(UnknownEffect, match="gave no answer"):
        site.propose()
    site.propose()
    assert (len(site.forge.pulls), len(site.forge.branches)) == (1, 2)


def test_a_pull_request_that_people_closed_is_not_opened_again(site: Site) -> None:
    site.propose()
    site.forge.pulls[0].state = "closed"
    site.propose()
    assert len(site.forge.pulls) == 1


def test_a_merged_pull_request_is_not_withdrawn(site: Site) -> None:
    effect = site.propose()
    site.forge.pulls[0].state = "merged"
    with pytest.raises(Conflict, match="was merged"):
        site.withdraw(effect)


def test_a_branch_with_somebody_elses_commits_is_kept(site: Site) -> None:
    effect = site.propose()
    site.forge.begin(str(effect.facts["branch"]), "e" * 40, {})
    with pytest.raises(Conflict, match="somebody else"):
        site.withdraw(effect)
    assert site.forge.pulls[0].state == "open"


def test_another_pull_request_is_never_closed(site: Site) -> None:
    effect = site.propose()
    site.forge.begin("feature", "e" * 40, {})
    site.forge.pulls[0].branch = "feature"
    with pytest.raises(Refused, match="comes from feature"):
        site.withdraw(effect)


def test_a_file_that_is_no_plain_file_is_refused(site: Site) -> None:
    (site.clone.path / CART).unlink()
    (site.clone.path / CART).symlink_to("stock.yaml")
    site.clone.commit("Smaller pool again", {})
    push(site)
    with pytest.raises(Refused, match="no plain file"):
        PullRequest(site.connections).execute(
            PullRequestParams(forge="forge", commit=site.clone.head()), key=KEY, timeout=10
        )


def test_the_token_goes_where_each_forge_wants_it(site: Site) -> None:
    site.propose()
    named = {"github": "authorization", "gitlab": "private-token", "gitea": "authorization"}[site.forge.kind]
    assert all(TOKEN in call.headers[named] for call in site.forge.asked)

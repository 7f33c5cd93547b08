from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pytest

from causal.errors import Refused, Unavailable, UnknownEffect
from integrations.connections import ConnectionFile, Connections, service_facts
from integrations.mlflow import STEPS, AliasParams, SetAlias
from integrations.mlflow_connection import RegisteredModel, RegistryConnection
from integrations.ports import Action, Effect
from tests.doubles.mlflow import Failure, MlflowDouble, running_double
from tests.integrations.mlflow_server import running_mlflow

KEY = "inc-1/p1/alias"
ALIAS = "champion"


@dataclass
class Registry:
    """A registry with one model, and the people who train it."""

    url: str
    model: str
    good: dict[str, str] = field(default_factory=dict)
    token_file: Path | None = None
    user: str | None = None

    @property
    def action(self) -> SetAlias:
        return SetAlias(self.connections)

    def connections(self) -> Connections:
        connection = RegistryConnection(
            url=self.url,
            good=self.good,
            token_file=self.token_file,
            user=self.user,
            models={self.model: RegisteredModel(alias=ALIAS, services=("search",))},
        )
        return Connections(files=(ConnectionFile(registries={"models": connection}),))

    def ask(self, path: str, **body: object) -> None:
        answer = httpx.post(f"{self.url}/api/2.0/mlflow/{path}", json=body, trust_env=False)
        assert answer.is_success, answer.text

    def set_up(self, versions: int = 3) -> None:
        self.ask("registered-models/create", name=self.model)
        for _ in range(versions):
            self.ask("model-versions/create", name=self.model, source="s3://models/made-up")
        self.point(versions)

    def point(self, version: int) -> None:
        """Somebody moves the alias."""
        self.ask("registered-models/alias", name=self.model, alias=ALIAS, version=str(version))

    def tag(self, version: int, **tags: str) -> None:
        for key, value in tags.items():
            self.ask("model-versions/set-tag", name=self.model, version=str(version), key=key, value=value)

    def aliased(self) -> int:
        asked = {"name": self.model}
        answer = httpx.get(
            f"{self.url}/api/2.0/mlflow/registered-models/get", params=asked, trust_env=False
        ).json()
        (alias,) = answer["registered_model"]["aliases"]
        return int(alias["version"])

    def params(self, **more: object) -> AliasParams:
        return AliasParams.model_validate({"registry": "models", "model": self.model, **more})

    def do(self, key: str = KEY, timeout: float = 20, **more: object) -> Effect:
        return self.action.execute(self.params(**more), key=key, timeout=timeout)

    def seen(self, key: str = KEY) -> Effect | None:
        return self.action.observe(self.params(), key=key)

    def undo(self, effect: Effect) -> Effect:
        facts = effect.facts
        return self.do(f"{KEY}/undo", version=facts["version_before"], instead_of=facts["version"])


@pytest.fixture(scope="session")
def real_mlflow() -> Iterator[str]:
    with running_mlflow() as url:
        yield url


@pytest.fixture(scope="session")
def unused_models() -> Iterator[str]:
    return (f"ranker-{number}" for number in count())


@pytest.fixture
def double() -> Iterator[MlflowDouble]:
    with running_double() as double:
        yield double


@pytest.fixture(params=["double", pytest.param("real", marks=pytest.mark.mlflow)])
def registry(request: pytest.FixtureRequest, unused_models: Iterator[str]) -> Registry:
    if request.param == "real":
        url = request.getfixturevalue("real_mlflow")
    else:
        url = request.getfixturevalue("double").url
    registry = Registry(url, next(unused_models))
    registry.set_up()
    return registry


@pytest.fixture
def broken(double: MlflowDouble) -> Registry:
    """A registry whose failures the test chooses."""
    registry = Registry(double.url, "ranker")
    registry.set_up()
    return registry


def test_the_action_keeps_the_ports_contract(registry: Registry) -> None:
    assert isinstance(registry.action, Action)


def test_the_alias_goes_back_to_the_version_before(registry: Registry) -> None:
    registry.do()
    assert registry.aliased() == 2


def test_the_alias_goes_back_to_the_version_that_is_named(registry: Registry) -> None:
    registry.do(version=1)
    assert registry.aliased() == 1


def test_only_a_version_that_bears_the_good_tags_is_gone_back_to(registry: Registry) -> None:
    registry.good = {"validation": "passed"}
    registry.tag(1, validation="passed")
    registry.tag(2, validation="failed")
    registry.do()
    assert registry.aliased() == 1


def test_without_a_good_version_nothing_is_done(registry: Registry) -> None:
    registry.good = {"validation": "passed"}
    with pytest.raises(Refused, match="no version before 3 that is ready and bears validation=passed"):
        registry.do()


def test_the_first_version_has_nothing_before_it(registry: Registry) -> None:
    registry.point(1)
    with pytest.raises(Refused, match="no version before 1"):
        registry.do()


def test_a_move_that_is_done_is_not_done_again(registry: Registry) -> None:
    assert registry.do() == registry.do()
    assert registry.aliased() == 2


def test_a_move_is_seen_by_whoever_comes_after_a_kill(registry: Registry) -> None:
    effect = registry.do()
    assert registry.seen() == effect


def test_a_move_that_was_never_begun_is_not_there(registry: Registry) -> None:
    registry.point(2)
    assert registry.seen() is None


def test_a_move_that_was_only_noted_is_not_there(registry: Registry) -> None:
    registry.do()
    registry.point(3)
    assert registry.seen() is None


def test_a_move_that_somebody_overtook_can_not_be_told(registry: Registry) -> None:
    registry.do()
    registry.point(1)
    with pytest.raises(UnknownEffect, match="somebody has moved it since"):
        registry.seen()


def test_the_undo_points_to_the_version_that_was_there(registry: Registry) -> None:
    registry.undo(registry.do())
    assert registry.aliased() == 3


def test_the_undo_leaves_what_somebody_else_pointed_to(registry: Registry) -> None:
    effect = registry.do()
    registry.point(1)
    with pytest.raises(Refused, match="points to version 1 by now, not to 2"):
        registry.undo(effect)


def test_a_version_that_is_not_there_is_refused(registry: Registry) -> None:
    with pytest.raises(Refused, match="not found"):
        registry.do(version=9)


def test_a_version_that_is_there_already_is_refused(registry: Registry) -> None:
    with pytest.raises(Refused, match="points to version 3 already"):
        registry.do(version=3)


def test_a_model_that_is_not_named_is_refused(registry: Registry) -> None:
    params = AliasParams(registry="models", model="other")
    with pytest.raises(Refused, match="not in 'other'"):
        registry.action.execute(params, key=KEY, timeout=20)


def test_a_preview_says_both_versions_and_moves_nothing(registry: Registry) -> None:
    shown = registry.action.preview(registry.params())
    assert shown == f"alias champion of {registry.model} in models: version 3 -> 2"
    assert registry.aliased() == 3


def test_a_model_without_the_alias_has_nothing_to_go_back_from(registry: Registry) -> None:
    registry.model += "-new"
    registry.ask("registered-models/create", name=registry.model)
    with pytest.raises(Refused, match="has no alias champion"):
        registry.do()


def test_a_model_that_is_not_registered_is_refused(registry: Registry) -> None:
    registry.model = "nobody-made-it"
    with pytest.raises(Refused, match="not found"):
        registry.do()


def test_a_step_on_a_model_that_is_not_registered_did_nothing(registry: Registry) -> None:
    registry.model = "nobody-made-it"
    assert registry.seen() is None


def test_a_note_that_somebody_damaged_is_no_proof_of_anything(registry: Registry) -> None:
    registry.ask("registered-models/set-tag", name=registry.model, key=STEPS, value="{")
    with pytest.raises(UnknownEffect, match="can not be read"):
        registry.do()
    assert registry.aliased() == 3


def test_the_notes_of_many_steps_stay_short(registry: Registry) -> None:
    for number in range(15):
        registry.do(f"inc-{number}/p1/alias")
        registry.point(3)
    asked = {"name": registry.model}
    answer = httpx.get(f"{registry.url}/api/2.0/mlflow/registered-models/get", params=asked, trust_env=False)
    (tag,) = answer.json()["registered_model"]["tags"]
    assert tag["value"].count("inc-") == 10


def test_versions_are_read_page_by_page(broken: Registry, double: MlflowDouble) -> None:
    double.page = 1
    broken.do()
    assert broken.aliased() == 2


@pytest.mark.parametrize("after", [True, False])
def test_a_move_whose_answer_was_lost_is_made_once(
    broken: Registry, double: MlflowDouble, *, after: bool
) -> None:
    double.failures.append(Failure(500, after_the_effect=after))
    with pytest.raises(UnknownEffect, match="answered 500"):
        broken.do()
    broken.do()
    assert broken.aliased() == 2


def test_an_answer_that_comes_too_late_leaves_the_effect_unknown(
    broken: Registry, double: MlflowDouble
) -> None:
    double.failures.append(Failure(hang=True, after_the_effect=True))
    with pytest.raises(UnknownEffect, match="gave no answer"):
        broken.do(timeout=0.5)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_registry_may_be_asked_again(broken: Registry, double: MlflowDouble, status: int) -> None:
    double.failures.append(Failure(status))
    with pytest.raises(Unavailable) as caught:
        broken.do()
    assert not isinstance(caught.value, UnknownEffect)


def test_a_registry_that_is_not_there_did_nothing(broken: Registry) -> None:
    broken.url = "http://127.0.0.1:1"
    with pytest.raises(Unavailable, match="can not be reached") as caught:
        broken.do()
    assert not isinstance(caught.value, UnknownEffect)


@pytest.mark.parametrize(
    ("user", "sent"), [(None, "Bearer made-up"), ("aitia", "Basic YWl0aWE6bWFkZS11cA==")], ids=str
)
def test_the_token_is_sent_as_the_connection_says(
    broken: Registry, double: MlflowDouble, tmp_path: Path, user: str | None, sent: str
) -> None:
    broken.token_file, broken.user, double.token = tmp_path / "token", user, sent
    broken.token_file.write_text("made-up\n")
    assert broken.do().facts["version"] == 2


def test_a_missing_permission_is_told(broken: Registry, double: MlflowDouble) -> None:
    double.token = "Bearer another"
    with pytest.raises(Refused, match="needs the permission EDIT"):
        broken.do()


def test_a_token_file_that_is_not_there_is_refused(broken: Registry, tmp_path: Path) -> None:
    broken.token_file = tmp_path / "none"
    with pytest.raises(Refused, match="can not be read"):
        broken.do()


def test_a_service_knows_its_registry_and_its_model(broken: Registry) -> None:
    facts = service_facts(broken.connections(), "search")
    assert (facts["service.registry"], facts["service.model"]) == ("models", "ranker")


def test_a_user_without_a_password_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="needs a token_file"):
        RegistryConnection(
            url="http://127.0.0.1", user="aitia", models={"ranker": RegisteredModel(alias=ALIAS)}
        )

"""Changes that telemetry tells of by itself."""

import json

from causal.evidence import Change
from integrations.arrow import concat, from_arrow
from integrations.version_changes import version_changes
from tests.integrations.telemetry_examples import T0, spans_at


def changes(*seen: tuple[float, dict[str, object]], service: str = "cart") -> tuple[Change, ...]:
    """Return what is found in spans of a service: (seconds after T0, attributes)."""
    batches = [
        spans_at(at, first=number + 1, service=service, attributes=json.dumps(said))
        for number, (at, said) in enumerate(seen)
    ]
    return version_changes(from_arrow(concat(batches)))


def revision(name: str, **more: object) -> dict[str, object]:
    return {"vcs.ref.head.revision": name} | more


def test_a_new_revision_is_a_change_at_its_first_span() -> None:
    (change,) = changes((1, revision("a")), (5, revision("b")), (6, revision("b")))
    assert (change.id, change.previous, change.at) == ("b", "a", T0 + 5)


def test_a_revision_that_was_always_there_is_none() -> None:
    assert changes((1, revision("a")), (2, revision("a"))) == ()


def test_the_order_of_spans_is_that_of_their_times() -> None:
    (change,) = changes((5, revision("b")), (1, revision("a")))
    assert change.id == "b"


def test_a_revision_of_a_configuration_repository_is_one_of_configuration() -> None:
    (change,) = changes(
        (1, revision("a", **{"service.version": "1", "vcs.repository.name": "shop-config"})),
        (2, revision("b", **{"service.version": "2", "vcs.repository.name": "shop-config"})),
    )
    assert (change.kind, change.repository) == ("config", "shop-config")


def test_a_version_that_changes_with_its_revision_is_one_deployment() -> None:
    (change,) = changes(
        (1, revision("a", **{"service.version": "1"})), (2, revision("b", **{"service.version": "2"}))
    )
    assert (change.id, change.kind) == ("b", "deployment")


def test_a_version_alone_is_a_deployment() -> None:
    (change,) = changes((1, {"service.version": "1"}), (2, {"service.version": "2"}))
    assert (change.id, change.kind) == ("2", "deployment")


def test_a_prompt_version_is_a_change_of_prompt() -> None:
    (change,) = changes((1, {"gen_ai.prompt.version": "v1"}), (2, {}), (3, {"gen_ai.prompt.version": "v2"}))
    assert (change.id, change.kind, change.previous) == ("v2", "prompt", "v1")


def test_old_and_new_instances_side_by_side_are_one_change() -> None:
    assert len(changes(*[(at, revision("ab"[at % 2 if at > 3 else 0])) for at in range(9)])) == 1


def test_attributes_that_are_no_json_say_nothing() -> None:
    broken = spans_at(1, attributes='{"service.version":')
    assert version_changes(from_arrow(broken)) == ()


def test_nothing_changes_where_there_are_no_spans() -> None:
    assert version_changes(from_arrow(concat([]))) == ()

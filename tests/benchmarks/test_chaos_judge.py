"""What must not be in the aftermath of an incident, and that each of it is found."""

from typing import Any

import pytest

from benchmarks.chaos.judge import Effect, judge

REVERT, RELOAD = "inc-a-1/p/revert", "inc-a-1/p/reload"


def result(key: str, status: str = "done", action: str = "http.request", at: float = 1.0) -> dict[str, Any]:
    step = key.split("/")[2]
    return {
        "step": step,
        "key": key,
        "status": status,
        "action": action,
        "detail": "so",
        "started_at": at,
    }


def attempt(
    *results: dict[str, Any], undone: tuple[dict[str, Any], ...] = (), **changed: Any
) -> dict[str, Any]:
    return {
        "plan": {"playbook": "chaos-revert"},
        "status": "recovered",
        "because": "",
        "verification": None,
        "results": list(results),
        "undone": list(undone),
        **changed,
    }


def ticket(*attempts: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "status": "recovered",
        "ended_at": 9.0,
        "timeline": [{"says": "alert"}],
        "attempts": list(attempts),
        **changed,
    }


def effects(*keys: str) -> list[Effect]:
    return [Effect(key, "reload gate", float(number)) for number, key in enumerate(keys)]


def found(told: dict[str, Any] | None, *keys: str) -> list[str]:
    return [finding.violation for finding in judge(told, effects(*keys))]


def test_an_incident_as_it_should_be_has_no_findings() -> None:
    assert found(ticket(attempt(result(REVERT), result(RELOAD))), REVERT, RELOAD) == []


def test_an_incident_without_a_ticket_is_lost() -> None:
    assert found(None) == ["lost"]


def test_an_incident_that_never_ended_is_lost() -> None:
    assert found(ticket(ended_at=None)) == ["lost"]


def test_two_effects_of_one_step_are_one_too_many() -> None:
    assert found(ticket(attempt(result(RELOAD))), RELOAD, RELOAD) == ["twice"]


def test_two_effects_count_for_a_lost_incident_too() -> None:
    assert found(None, RELOAD, RELOAD) == ["lost", "twice"]


def test_a_step_and_its_undo_are_two_steps() -> None:
    undone = attempt(result(RELOAD), undone=(result(f"{RELOAD}/undo", "undone"),))
    assert found(ticket(undone), RELOAD, f"{RELOAD}/undo") == []


def test_an_undo_of_several_calls_is_told_as_one() -> None:
    undone = attempt(result(RELOAD), undone=(result(f"{RELOAD}/undo", "undone"),))
    assert found(ticket(undone), RELOAD, f"{RELOAD}/undo/0", f"{RELOAD}/undo") == []


@pytest.mark.parametrize(
    ("undone", "expected"),
    [((RELOAD, REVERT), []), ((REVERT, RELOAD), ["undo order"]), ((REVERT,), []), ((), [])],
)
def test_steps_are_undone_last_one_first(undone: tuple[str, ...], expected: list[str]) -> None:
    back = tuple(result(f"{key}/undo", "undone", at=5.0 + at) for at, key in enumerate(undone))
    told = ticket(attempt(result(REVERT), result(RELOAD), undone=back))
    assert found(told, REVERT, RELOAD, *(f"{key}/undo" for key in undone)) == expected


def test_undoing_at_the_wrong_time_is_the_wrong_order() -> None:
    back = (result(f"{RELOAD}/undo", "undone", at=6.0), result(f"{REVERT}/undo", "undone", at=5.0))
    told = ticket(attempt(result(REVERT), result(RELOAD), undone=back))
    assert found(told, REVERT, RELOAD, f"{RELOAD}/undo", f"{REVERT}/undo") == ["undo order"]


def test_an_effect_that_no_ticket_tells_of_is_found() -> None:
    assert found(ticket(attempt(result(REVERT))), REVERT, RELOAD) == ["not told"]


def test_an_effect_that_may_have_been_is_told() -> None:
    told = attempt(result(RELOAD, "unknown"), status="failed", because="step reload: no answer")
    assert found(ticket(told), RELOAD) == []


def test_an_effect_that_is_told_and_not_there_is_found() -> None:
    assert found(ticket(attempt(result(REVERT), result(RELOAD))), REVERT) == ["not true"]


def test_a_step_of_which_no_record_is_kept_is_believed() -> None:
    assert found(ticket(attempt(result("inc-a-1/p/restart", action="process.restart")))) == []


def test_an_attempt_that_ended_badly_says_why() -> None:
    assert found(ticket(attempt(status="failed"))) == ["silent"]


def test_a_step_that_is_not_known_says_why() -> None:
    mute = result(RELOAD, "unknown") | {"detail": ""}
    assert found(ticket(attempt(mute)), RELOAD) == ["silent"]


def test_a_ticket_without_a_story_is_silent() -> None:
    assert found(ticket(timeline=[])) == ["silent"]

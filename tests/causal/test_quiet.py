"""The quiet profile: minutes are remembered as sums, and compare as their rows would have."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from causal import quiet
from causal.compare import slower
from causal.diagnose import diagnose
from causal.evidence import Window
from causal.past import means
from causal.signals import MEASURES, exclusive_time, resources, tokens
from causal.telemetry import Batch, Past, Telemetry
from causal.view import behold
from tests.causal.teams import Run, chat, judged, stretches, task_failed, tool
from tests.causal.worlds import COLLIDER, QUIET, T0, Ill, World, alert, metrics

SLOW = {"stock": Ill(slow=0.2)}


def played(ills: Mapping[str, Ill] = SLOW, *, seed: int = 1) -> Telemetry:
    return World(COLLIDER).telemetry(ills, seed=seed)


def learnt(telemetry: Telemetry) -> Past:
    past, rows = Past.none(), telemetry.quiet
    for start in np.arange(T0, T0 + QUIET, quiet.MINUTE).tolist():
        begun = rows.spans.start_ns * 1e-9
        minute = rows.spans.take((begun >= start) & (begun < start + quiet.MINUTE))
        past = quiet.learn(past, Batch(minute, rows.metrics, rows.logs), start)
    return past


def forgotten(telemetry: Telemetry) -> Telemetry:
    """The same incident when only the memory of its quiet time is left."""
    return replace(telemetry, quiet=Batch.none(), past=learnt(telemetry))


def test_a_cause_is_found_by_the_memory_of_quiet_time_alone() -> None:
    first = diagnose(alert(), forgotten(played())).first
    assert first is not None
    assert first.service == "stock"


def test_remembered_times_have_the_level_that_their_rows_had() -> None:
    telemetry = played()
    rows = slower(exclusive_time.measures(behold(alert(), telemetry))[0].table)  # type: ignore[arg-type]
    view = behold(alert(), forgotten(telemetry))
    (own, _) = exclusive_time.measures(view)
    memory = slower(own.beside(view.telemetry.past))  # type: ignore[arg-type]
    assert memory.before == pytest.approx(rows.before)


def test_a_memory_takes_as_many_requests_as_were_seen() -> None:
    telemetry = played()
    past = learnt(telemetry)
    whole = past.take(past.measure.codes == past.measure.code("exclusive_time"))
    assert whole.n.sum() == len(behold(alert(), replace(telemetry, incident=Batch.none())).requests)


def test_every_measure_leaves_something_to_remember() -> None:
    view = behold(alert(), played({"stock": Ill(fails=0.5)}))
    names = {measure.name for measures in MEASURES for measure in measures(view)}
    assert names == {
        "exclusive_time",
        "queueing",
        "edge_gap",
        "own_errors",
        "unanswered",
        "gave_up",
        "structure",
        "level",
    }


def test_a_memory_knows_how_high_a_resource_stood() -> None:
    samples = [(T0 + second, "stock", "process.cpu.utilization", 0.25) for second in range(0, 240, 10)]
    telemetry = played({})
    rows = Batch(telemetry.quiet.spans, metrics(samples), telemetry.quiet.logs)
    past = learnt(replace(telemetry, quiet=rows))
    assert means(past, "level")["stock\x1fprocess.cpu.utilization"] == pytest.approx([0.25] * 4)


def test_a_hog_is_found_by_the_memory_of_its_usual_level_alone() -> None:
    calm = [(T0 + second, "stock", "process.cpu.utilization", 0.1) for second in range(0, 240, 10)]
    hog = [(T0 + QUIET + second, "stock", "process.cpu.utilization", 0.95) for second in range(0, 60, 10)]
    telemetry = played({"stock": Ill(slow=0.1)})
    rows = Batch(telemetry.quiet.spans, metrics(calm), telemetry.quiet.logs)
    past = learnt(replace(telemetry, quiet=rows))
    sick = Batch(telemetry.incident.spans, metrics(hog), telemetry.incident.logs)
    found = resources.find(behold(alert(), replace(telemetry, quiet=Batch.none(), incident=sick, past=past)))
    assert [anomaly.signal for anomaly in found] == ["cpu"]


def test_a_minute_without_requests_keeps_what_is_remembered_of_them() -> None:
    past = learnt(played())
    samples = [(T0 + QUIET, "stock", "process.cpu.utilization", 0.25)]
    minute = Batch(Batch.none().spans, metrics(samples), Batch.none().logs)
    assert quiet.minutes(quiet.learn(past, minute, T0 + QUIET)) == 5


def team(tokens: int) -> Telemetry:
    """A team whose clerk looks something up and writes a judged answer: of 40 tokens, then of ``tokens``."""

    def run(written: int) -> Run:
        look_up = tool("clerk", "library", "March 2412, April 3377 visitors")
        return (look_up, judged(chat("clerk", "There were 2412 visitors.", tokens=written), good=True))

    return stretches(lambda k: run(40 + k % 7), lambda k: run(tokens + k % 7))


def test_what_agents_did_is_remembered() -> None:
    view = behold(task_failed(), team(40))
    names = {measure.name for measures in MEASURES for measure in measures(view)}
    assert {"gen_ai.usage.output_tokens", "evaluation", "tool", "loop"} <= names


def test_an_agent_that_rambles_is_seen_by_the_memory_of_quiet_time_alone() -> None:
    found = tokens.find(behold(task_failed(), forgotten(team(400))))
    assert [a.entity.name for a in found] == ["clerk"]


def test_an_agent_that_writes_as_ever_is_not_seen_by_memory() -> None:
    assert not tokens.find(behold(task_failed(), forgotten(team(40))))


def test_minutes_that_were_not_quiet_can_be_taken_out() -> None:
    past = learnt(played())
    left = quiet.without(past, [Window(start=T0 + 70.0, end=T0 + 80.0)])
    assert sorted(set(left.start.tolist())) == [T0, T0 + 120.0, T0 + 180.0]


def test_only_whole_minutes_lie_between_two_moments() -> None:
    past = learnt(played())
    assert quiet.minutes(quiet.between(past, T0 + 1.0, T0 + QUIET)) == 3


def test_a_memory_of_a_much_quicker_system_is_given_up() -> None:
    quick, slow = played(), World(COLLIDER, work=0.5).telemetry({})
    past = quiet.learn(learnt(quick), slow.quiet, T0 + QUIET)
    assert quiet.minutes(past) == 1


def test_an_empty_minute_leaves_a_memory_as_it_is() -> None:
    past = learnt(played())
    assert quiet.learn(past, Batch.none(), T0 + QUIET) is past


def test_a_wild_hour_makes_the_same_rise_less_surprising() -> None:
    telemetry = played({"stock": Ill(slow=0.02)})
    calm = slower(exclusive_time.measures(behold(alert(), telemetry))[0].table)  # type: ignore[arg-type]
    wild = Past.none()
    for number, slow in enumerate((0.0, 0.03, 0.01, 0.04)):
        minute = played({"stock": Ill(slow=slow)}, seed=number + 2).incident
        wild = quiet.learn(wild, minute, T0 - 60.0 * (number + 1))
    view = behold(alert(), replace(telemetry, past=wild))
    (own, _) = exclusive_time.measures(view)
    assert slower(own.beside(wild)).evidence.max() < calm.evidence.max()  # type: ignore[arg-type]


def test_five_minutes_of_quiet_time_give_an_answer_that_says_it_rests_on_little() -> None:
    telemetry = World(COLLIDER).telemetry(SLOW, quiet=QUIET)
    verdict = diagnose(alert(), telemetry)
    assert (verdict.hypotheses[0].service, any("rests on little" in m for m in verdict.missing_evidence)) == (
        "stock",
        True,
    )

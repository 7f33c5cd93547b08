"""Laws of the engine: what must not change the answer, whatever the system, its fault and its telemetry."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causal.diagnose import diagnose
from causal.evidence import Alert, Diagnosis
from causal.telemetry import Batch, Column
from tests.causal.scenes import (
    FAULTS,
    ONSET,
    Scene,
    beside,
    chances,
    renamed,
    scaled,
    scenes,
    shifted,
    shuffled,
    stretched,
)
from tests.causal.worlds import T0, alert

FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
EXACT = 1e-9
CLEAR = 0.5
SEEDS = st.integers(0, 10_000)


def same(one: Diagnosis, other: Diagnosis, within: float = EXACT) -> bool:
    return chances(one) == pytest.approx(chances(other), abs=within)


def first(verdict: Diagnosis) -> str | None:
    """Who is named, where somebody clearly is."""
    likely = verdict.first is not None and verdict.first.probability > CLEAR
    return verdict.first.service if likely and verdict.first is not None else None


@FEW
@given(scene=scenes())
def test_probabilities_and_none_of_these_add_up_to_one(scene: Scene) -> None:
    assert sum(chances(scene.diagnosed()).values()) == pytest.approx(1.0, abs=1e-6)


@FEW
@given(scene=scenes())
def test_every_probability_lies_between_zero_and_one(scene: Scene) -> None:
    assert all(0.0 <= chance <= 1.0 for chance in chances(scene.diagnosed()).values())


@FEW
@given(scene=scenes())
def test_hypotheses_stand_in_the_order_of_their_probability(scene: Scene) -> None:
    told = [h.probability for h in scene.diagnosed().hypotheses]
    assert told == sorted(told, reverse=True)


@FEW
@given(scene=scenes(), seed=SEEDS)
def test_the_order_of_rows_does_not_matter(scene: Scene, seed: int) -> None:
    assert same(scene.diagnosed(lambda told: shuffled(told, seed)), scene.diagnosed())


@FEW
@given(scene=scenes(), codes=st.permutations([f"s{number}" for number in range(6)]))
def test_the_names_of_services_do_not_matter(scene: Scene, codes: list[str]) -> None:
    names = dict(zip(scene.services, codes, strict=False))
    there = diagnose(alert(codes[0], scene.signal), renamed(scene.telemetry, names))
    expected = {names.get(service, ""): chance for service, chance in chances(scene.diagnosed()).items()}
    assert chances(there) == pytest.approx(expected, abs=EXACT)


def relabelled(column: Column, prefix: str) -> Column:
    return Column(column.codes, tuple(f"{prefix}{len(name)}-{name[::-1]}" for name in column.names))


@FEW
@given(scene=scenes(["traces", "logs"]))
def test_the_ids_of_traces_do_not_matter(scene: Scene) -> None:
    def batch(of: Batch) -> Batch:
        spans, logs = of.spans, of.logs
        return replace(
            of,
            spans=replace(spans, trace=relabelled(spans.trace, "t")),
            logs=replace(logs, trace=relabelled(logs.trace, "t")),
        )

    told = scene.telemetry
    assert same(
        diagnose(scene.alert, replace(told, quiet=batch(told.quiet), incident=batch(told.incident))),
        scene.diagnosed(),
    )


@FEW
@given(scene=scenes(["traces"]))
def test_the_names_of_operations_do_not_matter(scene: Scene) -> None:
    def batch(of: Batch) -> Batch:
        names = tuple(
            "wait" if "wait" in name else f"op {len(name)} {name[::-1]}" for name in of.spans.operation.names
        )
        return replace(of, spans=replace(of.spans, operation=Column(of.spans.operation.codes, names)))

    told = scene.telemetry
    assert same(
        diagnose(scene.alert, replace(told, quiet=batch(told.quiet), incident=batch(told.incident))),
        scene.diagnosed(),
    )


@FEW
@given(scene=scenes(), seconds=st.integers(-600_000_000, 600_000_000))
def test_shifting_all_clocks_changes_nothing(scene: Scene, seconds: int) -> None:
    there = diagnose(later(scene.alert, seconds), shifted(scene.telemetry, seconds))
    assert same(there, scene.diagnosed(), 1e-6)


def later(told: Alert, seconds: float) -> Alert:
    return told.model_copy(
        update={"began_at": ONSET + seconds, "raised_at": told.raised_at + seconds},
    )


@FEW
@given(scene=scenes(["metrics"]), times=st.sampled_from([1e-3, 1e3, 1e6]))
def test_the_unit_of_latency_metrics_does_not_matter(scene: Scene, times: float) -> None:
    assert same(scene.diagnosed(lambda told: scaled(told, times)), scene.diagnosed(), 1e-6)


@FEW
@given(scene=scenes(["traces"]), times=st.sampled_from([0.5, 2.0, 5.0]))
def test_a_slower_system_in_slower_time_breaks_for_the_same_reason(scene: Scene, times: float) -> None:
    began, raised = (T0 + (at - T0) * times for at in (ONSET, scene.alert.raised_at))
    slower = scene.alert.model_copy(update={"began_at": began, "raised_at": raised})
    assert first(diagnose(slower, stretched(scene.telemetry, times))) == first(scene.diagnosed())


@FEW
@given(scene=scenes(["traces", "metrics"]), fault=st.sampled_from(sorted(FAULTS)), seed=SEEDS)
def test_a_system_without_a_connection_changes_nothing(scene: Scene, fault: str, seed: int) -> None:
    ill, signal = FAULTS[fault]
    other = Scene((("far", ("away",)), ("away", ())), (("away", ill),), signal, scene.told, seed)
    assert same(scene.diagnosed(lambda told: beside(told, other.telemetry)), scene.diagnosed())


@FEW
@given(scene=scenes(), words=st.text(max_size=30))
def test_what_an_alert_says_in_words_does_not_matter(scene: Scene, words: str) -> None:
    told = scene.alert.model_copy(update={"summary": words, "labels": {"cause": words}, "url": words})
    assert same(diagnose(told, scene.telemetry), scene.diagnosed())


@FEW
@given(scene=scenes())
def test_the_same_input_gives_the_same_bytes(scene: Scene) -> None:
    assert scene.diagnosed().model_dump_json() == scene.diagnosed().model_dump_json()


@FEW
@given(scene=scenes())
def test_tables_whose_dictionaries_differ_give_the_same_answer(scene: Scene) -> None:
    def own(of: Batch) -> Batch:
        spans, logs = of.spans, of.logs
        return replace(
            of,
            spans=replace(
                spans,
                service=Column.of(spans.service.values()),
                operation=Column.of(spans.operation.values()),
            ),
            logs=replace(logs, service=Column.of(logs.service.values()), body=Column.of(logs.body.values())),
        )

    apart = replace(scene.telemetry, incident=own(scene.telemetry.incident))
    assert same(diagnose(scene.alert, apart), scene.diagnosed())


@FEW
@given(scene=scenes(["traces"]))
def test_names_in_the_dictionary_that_no_row_has_do_not_matter(scene: Scene) -> None:
    def padded(of: Batch) -> Batch:
        column = of.spans.service
        return replace(of, spans=replace(of.spans, service=Column(column.codes, (*column.names, "nobody"))))

    told = scene.telemetry
    wider = replace(told, quiet=padded(told.quiet), incident=padded(told.incident))
    assert same(diagnose(scene.alert, wider), scene.diagnosed())


PRINTS = """
import hashlib
from dataclasses import replace
from causal.evidence import Change
from tests.causal.scenes import ONSET, FAULTS, Scene
from tests.causal.worlds import COLLIDER
changes = [Change(id=c * 12, kind="config", service=s, at=ONSET - 4) for c, s in zip("abc", COLLIDER)]
for told, fault in (("traces", "fails"), ("traces", "deaf"), ("metrics", "slow"), ("logs", "fails")):
    ill, signal = FAULTS[fault]
    scene = Scene(tuple(COLLIDER.items()), (("stock", ill),), signal, told)
    verdict = scene.diagnosed(lambda seen: replace(seen, changes=changes))
    print(hashlib.sha256(verdict.model_dump_json().encode()).hexdigest())
"""


def bytes_of_a_process(seed: str) -> str:
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRINTS],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout


def test_another_process_with_other_hashes_gives_the_same_bytes() -> None:
    assert bytes_of_a_process("1") == bytes_of_a_process("4242")

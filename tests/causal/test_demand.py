"""What is proportional to what is asked is the asker's: models by the token, processors by the request."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal import demand
from causal.diagnose import diagnose, look
from causal.edges import edges
from causal.evidence import Alert, Change, Hypothesis
from causal.signals import exclusive_time, resources
from causal.telemetry import Column, Metrics, SpanKind, Telemetry
from causal.view import View, behold
from tests.causal.worlds import QUIET, T0, UNWELL, Row, alert, metrics, telemetry

USUAL, PER_TOKEN = 200.0, 0.002


def asked(
    *, longer: float = 1.0, slower: float = 1.0, often: float = 1.0, told: bool = True, judge: float = 0.0
) -> Telemetry:
    """A writer asks a model: in the incident for ``longer`` answers, at ``slower`` tokens, more ``often``.

    ``told``: whether spans say how many tokens there were; ``judge``: the share of answers judged to be bad.
    """
    dice = np.random.default_rng(1)
    rows: list[Row] = []
    facts: list[dict[str, object]] = []
    starts = [*np.arange(0.0, QUIET, 1.0), *np.arange(QUIET, QUIET + UNWELL, 1.0 / often)]
    for number, start in enumerate(starts):
        late = start >= QUIET
        tokens = round(USUAL * float(dice.lognormal(0.0, 0.3)) * (longer if late else 1.0))
        seconds = tokens * PER_TOKEN * (slower if late else 1.0) * float(dice.lognormal(0.0, 0.1))
        chat: dict[str, object] = {"gen_ai.operation.name": "chat", "gen_ai.agent.name": "writer"}
        chat_facts = chat | {"gen_ai.usage.output_tokens": tokens} if told else {}
        label = "fail" if late and dice.random() < judge else "pass"
        event = {"name": "gen_ai.evaluation.result", "gen_ai.evaluation.score.label": label}
        agent: dict[str, object] = {"gen_ai.operation.name": "invoke_agent", "events": [event]}
        trace, at = f"run-{number}", T0 + start
        rows += [
            Row(trace, 3 * number, -1, "writer", "POST /write", SpanKind.SERVER, at, seconds + 0.012),
            Row(trace, 3 * number + 1, 3 * number, "writer", "chat", SpanKind.CLIENT, at, seconds + 0.002),
            Row(trace, 3 * number + 2, 3 * number + 1, "model", "answer", SpanKind.SERVER, at, seconds),
        ]
        facts += [agent, chat_facts, {}]
    return _saying(telemetry(rows), [json.dumps(each) for each in facts])


def _saying(quiet_and_unwell: Telemetry, texts: Sequence[str]) -> Telemetry:
    n = len(quiet_and_unwell.quiet.spans)
    parts = [
        replace(batch, spans=replace(batch.spans, attributes=Column.of(some)))
        for batch, some in (
            (quiet_and_unwell.quiet, texts[:n]),
            (quiet_and_unwell.incident, texts[n:]),
        )
    ]
    return replace(quiet_and_unwell, quiet=parts[0], incident=parts[1])


def seen(telemetry: Telemetry) -> View:
    return behold(slow(), telemetry)


def slow() -> Alert:
    return alert("writer")


def accused(telemetry: Telemetry) -> set[str]:
    return {anomaly.entity.service for anomaly in exclusive_time.find(seen(telemetry))}


def first(telemetry: Telemetry) -> Hypothesis:
    found = diagnose(slow(), telemetry).first
    assert found is not None
    return found


@given(st.floats(1.0, 8.0))
@settings(max_examples=15, deadline=None)
def test_a_model_is_not_slower_however_long_the_answers_it_is_asked_for(longer: float) -> None:
    assert "model" not in accused(asked(longer=longer))


@pytest.mark.parametrize("longer", [0.5, 1.0, 3.0])
def test_a_model_that_needs_longer_for_a_token_is_slower(longer: float) -> None:
    assert "model" in accused(asked(longer=longer, slower=3.0))


def test_seconds_that_more_tokens_explain_are_not_the_models() -> None:
    (model,) = exclusive_time.find(seen(asked(longer=3.0, slower=2.0)))
    assert model.level_before == pytest.approx(3.0 * USUAL * PER_TOKEN, rel=0.2)


def test_who_asks_for_longer_answers_is_named() -> None:
    assert first(asked(longer=4.0)).service == "writer"


def test_a_model_that_has_become_slow_is_named() -> None:
    assert first(asked(slower=4.0)).service == "model"


def test_who_asks_for_longer_answers_floods_the_model() -> None:
    assert edges(seen(asked(longer=2.0))).flooded == {("writer", "model")}


def test_who_asks_as_ever_floods_nobody() -> None:
    assert not edges(seen(asked(slower=3.0))).flooded


def test_longer_answers_are_more_work() -> None:
    assert demand.grown(seen(asked(longer=4.0)))["model"] == pytest.approx(4.0, rel=0.4)


def test_more_requests_are_more_work() -> None:
    assert demand.grown(seen(asked(often=4.0)))["model"] == pytest.approx(4.0, rel=0.4)


def test_as_much_work_as_ever_has_not_grown() -> None:
    assert not demand.grown(seen(asked(slower=4.0)))


def loaded(telemetry: Telemetry, busy: float) -> Telemetry:
    """The same incident with the processor of the model: a fifth in quiet time, ``busy`` in the incident."""
    dice = np.random.default_rng(2)

    def levels(start: float, seconds: float, level: float) -> Metrics:
        moments = np.arange(start, start + seconds, 5.0)
        noise = dice.normal(0.0, 0.005, len(moments))
        samples = [
            (float(at), "model", "process.cpu.utilization", float(level + extra))
            for at, extra in zip(moments, noise, strict=True)
        ]
        return metrics(samples)

    return replace(
        telemetry,
        quiet=replace(telemetry.quiet, metrics=levels(T0, QUIET, 0.2)),
        incident=replace(telemetry.incident, metrics=levels(T0 + QUIET, UNWELL, busy)),
    )


def test_a_processor_that_works_for_more_requests_accuses_nobody() -> None:
    assert not resources.find(seen(loaded(asked(often=4.0), 0.7)))


def test_a_processor_that_works_for_longer_answers_accuses_nobody() -> None:
    assert not resources.find(seen(loaded(asked(longer=4.0), 0.7)))


def test_a_processor_that_works_harder_for_the_same_is_seen() -> None:
    assert [a.signal for a in resources.find(seen(loaded(asked(), 0.7)))] == ["cpu"]


def reworded(telemetry: Telemetry) -> Telemetry:
    """The same incident right after the writer was given another prompt."""
    prompt = Change(id="p2", kind="prompt", service="writer", at=T0 + QUIET - 1.0)
    return replace(telemetry, changes=(prompt,))


def chance_of_the_writer(telemetry: Telemetry) -> float:
    found = diagnose(slow(), telemetry).hypotheses
    return sum(each.probability for each in found if each.service == "writer")


def test_a_new_prompt_may_be_why_a_model_of_untold_tokens_takes_longer() -> None:
    unsaid = asked(longer=4.0, told=False, judge=0.5)
    assert chance_of_the_writer(reworded(unsaid)) > max(0.5, chance_of_the_writer(unsaid))


def test_a_new_prompt_does_not_take_the_blame_for_a_slow_model() -> None:
    assert first(reworded(asked(slower=4.0))).service == "model"


def test_tokens_that_grew_are_told_of_who_wrote_them() -> None:
    told = [a for a in look(seen(asked(longer=4.0))) if a.signal == "tokens"]
    assert [a.entity.key for a in told] == ["agent:writer"]

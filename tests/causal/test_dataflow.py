"""Where facts came from: which act brought one in, and who had it from whom."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from causal.dataflow import Flow, facts, fed, flows, fresh, routes
from causal.diagnose import diagnose
from causal.evidence import CauseEdge
from causal.genai import Act, acts, plain
from causal.view import behold
from tests.causal.teams import (
    Run,
    chat,
    code,
    failed_run,
    judged,
    recall,
    remember,
    stretches,
    task_failed,
    tool,
)


def told(run: Run) -> list[Act]:
    view = behold(task_failed(), failed_run(run))
    return list(acts(view.spans, view.forest.parent, view.late).each)[1:]


def ways(run: Run) -> tuple[CauseEdge, ...]:
    each = told(run)
    return routes(each, {act.row: act.row for act in each})


def edge(run: Run, source: str, target: str) -> CauseEdge:
    return next(way for way in ways(run) if (way.source, way.target) == (source, target))


def test_a_number_of_two_digits_is_a_fact() -> None:
    assert "1987" in facts("It was in 1987.")


def test_a_web_address_is_a_fact() -> None:
    assert "https://example.org/museum" in facts("See https://example.org/museum for more.")


def test_a_name_of_two_words_is_a_fact() -> None:
    assert "rosa almeida" in facts("She is called Rosa Almeida there.")


def test_what_stands_in_code_is_no_fact() -> None:
    assert not facts("```python\nx = 4711\n```")


def test_the_first_to_tell_a_fact_brought_it_in() -> None:
    new = fresh(told((chat("anna", "It is 4711."), chat("ben", "Yes, 4711 and 4712."))))
    assert new == [{"4711"}, {"4712"}]


def test_what_was_known_before_is_nobodys_fact() -> None:
    assert fresh(told((chat("anna", "It is 4711."),)), "The answer is 4711.") == [frozenset()]


def test_what_went_into_a_turn_is_not_its_own() -> None:
    asked = chat("anna", "It is 4711.")
    asked.told["gen_ai.input.messages"] = "Is it 4711?"
    assert fresh(told((asked,))) == [frozenset()]


ANSWER_TO_ARGUMENT: Run = (
    chat("anna", "The order is 4711, for Rosa Almeida, from 1987."),
    tool("ben", "ledger", "found it", arguments='{"order": 4711, "name": "Rosa Almeida", "year": 1987}'),
)


def test_an_answer_that_becomes_an_argument_is_an_edge() -> None:
    assert edge(ANSWER_TO_ARGUMENT, "agent:anna", "tool:ledger").mechanism == "tool argument"


def test_three_facts_make_a_strong_edge() -> None:
    assert edge(ANSWER_TO_ARGUMENT, "agent:anna", "tool:ledger").strength == 0.9


def test_one_fact_makes_a_weak_edge() -> None:
    run = (chat("anna", "The order is 4711."), chat("ben", "So 4711 it is."))
    assert edge(run, "agent:anna", "agent:ben").strength < 0.5


def test_an_edge_says_why_it_is_there() -> None:
    assert edge(ANSWER_TO_ARGUMENT, "agent:anna", "tool:ledger").reason.startswith("3 facts")


def test_a_result_that_is_told_on_is_an_edge() -> None:
    run = (
        chat("anna", "I look."),
        tool("anna", "ledger", "4711 and 4712"),
        chat("ben", "It says 4711 and 4712."),
    )
    assert edge(run, "tool:ledger", "agent:ben").mechanism == "tool result"


def test_a_memory_that_is_told_on_is_an_edge() -> None:
    run = (
        recall("anna", "season", "4711 visitors in 1987"),
        chat("anna", "In 1987 there were 4711 visitors."),
    )
    assert edge(run, "memory:season", "agent:anna").mechanism == "memory"


def test_facts_come_from_the_last_who_held_them() -> None:
    run = (chat("anna", "It is 4711."), chat("ben", "It is 4711."), chat("carl", "It is 4711."))
    assert {(way.source, way.target) for way in ways(run)} == {
        ("agent:anna", "agent:ben"),
        ("agent:ben", "agent:carl"),
    }


def test_what_an_entry_writer_wrote_gets_to_its_readers() -> None:
    each = told((remember("anna", "season", "a lot"), chat("carl", "Hm."), recall("ben", "season", "a lot")))
    assert fed(each, {act.row: act.row for act in each})["anna", "ben"] > 0.5


def test_the_graph_shows_who_had_facts_from_whom() -> None:
    verdict = diagnose(task_failed(), failed_run((*ANSWER_TO_ARGUMENT, code("terminal", "4711", 0))))
    assert any(e.source == "agent:anna" and e.target == "tool:ledger" for e in verdict.graph.edges)


def bad_facts(k: int) -> Run:
    """A scout says much more than usual, and wrong things; the writer repeats them and is judged for it."""
    claims = f"There were {4000 + k} visitors in {1900 + k % 90}, says Rosa Almeida."
    return (judged(chat("scout", claims, tokens=400), good=False), judged(chat("writer", claims), good=False))


def good_facts(k: int) -> Run:
    claims = f"There were {4000 + k} visitors in {1900 + k % 90}, says Rosa Almeida."
    good = k % 20 != 0
    return (
        judged(chat("scout", claims, tokens=40 + k % 5), good=good),
        judged(chat("writer", claims), good=good),
    )


def share(of: str, unwell: Callable[[int], Run]) -> float:
    verdict = diagnose(task_failed(), stretches(good_facts, unwell))
    return next((h.raw_probability for h in verdict.hypotheses if h.service == of), 0.0)


def speechless(k: int) -> Run:
    """The same runs with no text recorded."""
    return tuple(replace(said, text="") for said in bad_facts(k))


def test_who_brought_bad_facts_in_is_named() -> None:
    verdict = diagnose(task_failed(), stretches(good_facts, bad_facts))
    assert verdict.first is not None
    assert verdict.first.service == "scout"


def test_text_that_was_passed_on_takes_the_blame_off_who_repeats_it() -> None:
    assert share("writer", bad_facts) < share("writer", speechless) / 2


def test_text_is_found_in_messages_of_parts() -> None:
    assert plain([{"role": "user", "parts": [{"type": "text", "content": "Hello"}]}]) == "Hello"


def test_text_is_found_in_json_that_is_a_string() -> None:
    assert plain('[{"role": "user", "content": "Hello"}]') == "Hello"


@given(st.lists(st.text(alphabet="abAB 0123456789.,:/`", max_size=40), min_size=1, max_size=6))
def test_a_fact_is_new_only_once(texts: list[str]) -> None:
    new = fresh([_act(row, text) for row, text in enumerate(texts)])
    assert sum(len(each) for each in new) == len(set().union(*new))


@given(st.lists(st.text(alphabet="ab AB0123456789", max_size=40), min_size=1, max_size=6))
def test_nothing_flows_backwards(texts: list[str]) -> None:
    run = [_act(row, text) for row, text in enumerate(texts)]
    assert all(flow.source.row < flow.target.row for flow in _all(run))


def _all(run: Sequence[Act]) -> list[Flow]:
    return list(flows(run))


def _act(row: int, text: str) -> Act:
    told = {"gen_ai.agent.name": f"agent-{row}", "gen_ai.output.messages": text}
    return Act(row, -1, 0, f"agent-{row}", failed=False, told=told)

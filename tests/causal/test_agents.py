"""Teams of agents that fail: whose doing it was, and at which step."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal.diagnose import diagnose
from causal.evidence import Diagnosis, Fault, Hypothesis
from causal.naming import CHANGES
from playbooks import words
from tests.causal.teams import (
    Run,
    Said,
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

PLAN = chat(
    "planner",
    "We count the visitors of the Harbour Museum of Lisbon in the spring: the archivist finds the yearly "
    "report, the clerk adds up its months.",
)
REPORT = tool(
    "archivist", "library", "Report of the Harbour Museum: March 2412, April 3377, May 4190 visitors."
)
FOUND = chat("archivist", "The report says March 2412, April 3377 and May 4190 visitors.")
SUM = chat("clerk", "Together that makes the visitors of March 2412, April 3377 and May 4190.")
DONE = chat("clerk", "TERMINATE")


def first(verdict: Diagnosis) -> Hypothesis:
    assert verdict.first is not None
    return verdict.first


def blamed(run: Run, indexed: int | None = None) -> Hypothesis:
    return first(diagnose(task_failed(), failed_run(run, indexed=indexed)))


INVENTED: Run = (
    PLAN,
    chat("archivist", "Let me look for the report of that year in the library first of all."),
    chat(
        "clerk",
        "Assuming a typical season of this museum, there were 1893 visitors in March, 2764 in April, "
        "3581 in May, says Rosa Almeida of the Lisbon Tourist Board, see https://example.org/museum/1987 "
        "and Paulo Mendes Pinto.",
    ),
    chat("archivist", "So the answer is 1893 and 2764 and 3581, which the clerk has told us just now."),
)


def test_who_makes_facts_up_is_named() -> None:
    assert blamed(INVENTED).service == "clerk"


def test_the_step_at_which_facts_were_made_up_is_named() -> None:
    assert blamed(INVENTED).step == 2


def test_facts_that_a_tool_returned_are_nobodys_invention() -> None:
    told = diagnose(task_failed(), failed_run((PLAN, REPORT, FOUND, SUM))).anomalies
    assert not any("nothing before it held" in a.says and a.entity.name == "clerk" for a in told)


BROKEN_CODE: Run = (
    PLAN,
    chat("archivist", "I start with a look at what the report of that year has to say."),
    chat("coder", "```python\nprint(open('report').read())\n``` Please run this for me."),
    code("terminal", "Traceback: no such file", 1),
    chat("archivist", "That did not work, so there is no answer to be had from the file."),
)


def test_code_that_fails_is_the_doing_of_who_wrote_it() -> None:
    assert blamed(BROKEN_CODE).entity.name == "coder"


BROKEN_TOOL: Run = (
    PLAN,
    chat("archivist", "I ask the library for the report of that year."),
    tool("archivist", "library", failed=True),
    chat("clerk", "Without the report there is nothing to add up, I am afraid."),
)


def test_a_tool_that_fails_by_itself_is_named() -> None:
    assert blamed(BROKEN_TOOL).entity.key == "tool:library"


def test_a_tool_that_fails_has_errors() -> None:
    assert blamed(BROKEN_TOOL).fault is Fault.ERRORS


STRAYED: Run = (
    chat("planner", "Your job: repair the broken printer driver of the office on the second floor."),
    chat("archivist", "Which printer is it that we are talking about, and which driver?"),
    chat("clerk", "Please tell us more about the driver, so that we can repair it."),
)


def test_a_briefing_about_something_else_is_decisive() -> None:
    assert (blamed(STRAYED).service, blamed(STRAYED).step) == ("planner", 0)


def test_who_only_hands_on_the_work_is_not_blamed_for_repeating_it() -> None:
    orders = Said("chief", "Please look up the visitors of the Harbour Museum.", "invoke_agent")
    run = (orders, chat("scout", "Here are the numbers: 1893, 2764, 3581, 4178, 5262 visitors."), orders)
    assert blamed(run).service == "scout"


def test_sign_offs_are_no_turns() -> None:
    assert blamed((*INVENTED, DONE, DONE, DONE)).step == 2


def test_a_single_run_never_makes_us_nearly_sure() -> None:
    assert blamed(INVENTED).probability < 0.9


def test_the_ticket_says_at_which_step() -> None:
    assert "at step 2" in words.blamed(blamed(INVENTED))


@settings(max_examples=15, deadline=None)
@given(st.permutations(["archivist", "clerk", "planner", "zoe", "anna"]))
def test_renaming_agents_changes_nothing(others: list[str]) -> None:
    names: Callable[[str], str] = dict(zip(["archivist", "clerk", "planner"], others, strict=False)).get  # type: ignore[assignment]
    verdict = diagnose(task_failed(), failed_run(INVENTED, names=lambda name: names(name) or name))
    assert (first(verdict).service, first(verdict).step) == (names("clerk"), 2)


@pytest.mark.parametrize("run", [INVENTED, BROKEN_CODE, STRAYED])
@pytest.mark.parametrize("offset", [1, 7, 100])
def test_steps_shift_with_their_positions(run: Run, offset: int) -> None:
    assert blamed(run, indexed=offset).step == (blamed(run).step or 0) + offset


def test_what_speaks_before_shifts_the_step_as_well() -> None:
    assert blamed((chat("greeter", "Good morning to all of you, let us begin now."), *INVENTED)).step == 3


# --- many runs, with quiet time to compare ---


def well(k: int) -> Run:
    return (
        chat("planner", tokens=30 + k % 5),
        tool("archivist", "library", f"{k} visitors"),
        judged(chat("archivist", tokens=60 + k % 7), good=k % 20 != 0),
    )


def verdict(unwell: Callable[[int], Run], calm: Callable[[int], Run] = well) -> Diagnosis:
    return diagnose(task_failed(), stretches(calm, unwell))


def cause(unwell: Callable[[int], Run], calm: Callable[[int], Run] = well) -> Hypothesis:
    return first(verdict(unwell, calm))


def rambling(k: int) -> Run:
    return (well(k)[0], well(k)[1], judged(chat("archivist", tokens=400 + k % 7), good=k % 3 == 0))


def test_an_agent_that_rambles_is_named() -> None:
    assert cause(rambling).entity.key == "agent:archivist"


def test_an_agent_that_rambles_has_bad_output() -> None:
    assert cause(rambling).fault is Fault.BAD_OUTPUT


def test_a_new_model_behind_bad_answers_is_named() -> None:
    def changed(k: int) -> Run:
        answer = chat("archivist", tokens=60, model="small-2")
        return (well(k)[0], well(k)[1], judged(answer, good=k % 3 == 0))

    assert cause(changed).entity.key == "model:small-2"


def test_a_new_prompt_behind_bad_answers_is_named() -> None:
    def changed(k: int) -> Run:
        answer = chat("archivist", tokens=60, prompt="v2")
        return (well(k)[0], well(k)[1], judged(answer, good=k % 3 == 0))

    assert cause(changed).entity.key == "prompt:v2"


def test_a_new_prompt_is_a_prompt_change() -> None:
    def changed(k: int) -> Run:
        answer = chat("archivist", tokens=60, prompt="v2")
        return (well(k)[0], well(k)[1], judged(answer, good=k % 3 == 0))

    assert cause(changed).fault in CHANGES


def test_a_tool_that_returns_nothing_is_named() -> None:
    def emptied(k: int) -> Run:
        return (well(k)[0], tool("archivist", "library", "[]"), judged(chat("archivist"), good=False))

    assert cause(emptied).entity.key == "tool:library"


def test_scores_that_fall_are_seen_without_labels() -> None:
    def scored(score: float) -> Callable[[int], Run]:
        event = {"gen_ai.evaluation.score.value": score}
        return lambda k: (chat("planner"), Said("archivist", told={"events": [event | {"k": k % 3}]}))

    told = verdict(scored(0.4), scored(0.9)).anomalies
    assert any(a.signal == "evaluation" and a.entity.name == "archivist" for a in told)


def test_turns_that_are_cut_off_are_seen() -> None:
    def cut(k: int) -> Run:
        return (well(k)[0], well(k)[1], chat("archivist", ended="length"))

    assert any(a.signal == "finish" and a.entity.name == "archivist" for a in verdict(cut).anomalies)


def looping(k: int) -> Run:
    return (well(k)[0], *[well(k)[1]] * 12, judged(chat("archivist"), good=False))


def test_an_endless_loop_is_the_doing_of_who_repeats_himself() -> None:
    assert cause(looping).service == "archivist"


def test_an_endless_loop_is_told_in_calls_a_run() -> None:
    assert any(a.signal == "loop" and a.entity.name == "archivist" for a in verdict(looping).anomalies)


def recalling(k: int) -> Run:
    entry, content = ("opening-hours", "open at 9") if k % 2 else ("season", "the spring begins in June")
    return (chat("planner"), recall("reader", entry, content), judged(chat("reader"), good=bool(k % 2)))


def well_read(k: int) -> Run:
    return (
        chat("planner"),
        recall("reader", "opening-hours", "open at 9"),
        judged(chat("reader"), good=k % 20 != 0),
    )


def test_a_poisoned_memory_entry_is_named() -> None:
    assert cause(recalling, well_read).entity.key == "memory:season"


def test_a_poisoned_memory_entry_belongs_to_who_wrote_it() -> None:
    def poisoned(k: int) -> Run:
        written = [remember("scribe", "season", "the spring begins in June")] if k == 0 else [chat("scribe")]
        return (*written, *recalling(k))

    assert cause(poisoned, lambda k: (chat("scribe"), *well_read(k))).service == "scribe"


def test_quiet_teams_show_no_anomalies() -> None:
    assert not [
        a for a in verdict(well).anomalies if a.signal in {"tokens", "evaluation", "tool", "loop", "finish"}
    ]

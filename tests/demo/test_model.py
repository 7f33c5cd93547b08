import random

from demo.agent import grade, schema_fault
from demo.configuration import INSTRUCTIONS
from demo.faults import BadPrompt
from demo.model import ChatRequest, answer

GOOD = INSTRUCTIONS.format(shop="shop")
BAD = BadPrompt(kind="bad_prompt", service="assistant").instructions
FIELDS = ("answer", "sources")


def dice(seed: int) -> random.Random:
    """Chance that repeats itself."""
    return random.Random(seed)


def faults(instructions: str, complaint: str | None = None) -> int:
    """How many of a hundred answers do not fit the schema."""
    request = ChatRequest(instructions=instructions, question="Which one?", complaint=complaint)
    answers = [answer(request, dice(seed)) for seed in range(100)]
    return sum(schema_fault(given.content, FIELDS) is not None for given in answers)


def test_good_instructions_bring_valid_answers() -> None:
    assert faults(GOOD) == 0


def test_bad_instructions_bring_no_valid_answer() -> None:
    assert faults(BAD) == 100


def test_a_complaint_seldom_brings_the_model_back() -> None:
    assert 50 < faults(BAD, complaint="the answer is not JSON") < 100


def test_bad_instructions_cost_more_tokens() -> None:
    good, bad = (
        answer(ChatRequest(instructions=text, question="Which one?"), dice(1)).output_tokens
        for text in (GOOD, BAD)
    )
    assert bad >= 2 * good


def test_offered_tools_are_used_first() -> None:
    request = ChatRequest(instructions=GOOD, question="Which one?", tools=("search",))
    assert answer(request, dice(1)).tool_calls == ("search",)


def test_a_missing_field_is_named() -> None:
    assert schema_fault('{"answer": "yes"}', FIELDS) == "the answer lacks sources"


def test_a_list_is_no_answer() -> None:
    assert schema_fault("[]", FIELDS) == "the answer is not an object"


def test_later_answers_are_rated_lower() -> None:
    assert grade(1) > grade(2) > grade(3) > grade(None)

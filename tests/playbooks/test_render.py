"""The ticket as people see it: on a terminal and in Markdown."""

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from causal.evidence import Diagnosis, Fault
from playbooks.page import Line
from playbooks.remedy import AttemptStatus, StepStatus, Verdict
from playbooks.render import diagnosis_markdown, diagnosis_text, one_line, ticket_page, to_markdown, to_text
from playbooks.terminal import cells, wrapped
from playbooks.ticket import Link, TicketStatus
from playbooks.words import ATTEMPTS, FAULTS, STATUSES, STEPS, VERDICTS, percent, plain
from tests.playbooks.made_up import BEGAN, alert, attempt, diagnosis, hypotheses, plan, proposals, ticket

STATES = get_args(TicketStatus)
UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
HOSTILE = st.text(alphabet=st.sampled_from("ab \n\t*_`[]()<>#+-=.!|~&\\:/@$1\x1b\x07\u202e日é"), max_size=60)
CODE_OR_COMMAND = re.compile(r"^ *(│|yes |no |.*http://)")


def rendered(markdown: str) -> list[Token]:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)


def inline(markdown: str) -> list[Token]:
    return [child for token in rendered(markdown) for child in token.children or ()]


@pytest.mark.parametrize("status", STATES)
def test_the_text_tells_every_status_in_words(status: TicketStatus) -> None:
    assert f"● {STATUSES[status][0]}" in to_text(ticket(status))


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_prose_is_wider_than_the_terminal(status: TicketStatus, width: int) -> None:
    lines = to_text(ticket(status), width=width).splitlines()
    assert [line for line in lines if cells(line) > width and not CODE_OR_COMMAND.match(line)] == []


def test_wide_letters_count_for_two_cells() -> None:
    text = to_text(ticket(title="日本語の" * 40), width=80)
    assert [len(line) for line in text.splitlines()[:4]] == [40, 40, 40, 40]


def test_a_number_stays_with_its_unit() -> None:
    lines = wrapped("it rose to 93.4 % (after 20 s); then fell", 16)
    assert lines == ["it rose to", "93.4 % (after", "20 s); then fell"]


def test_text_without_colour_has_no_escapes() -> None:
    assert "\x1b" not in to_text(ticket("failed"))


def test_colour_changes_nothing_but_colour() -> None:
    painted = to_text(ticket("failed"), colour=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted).split() == to_text(ticket("failed")).split()


def test_colour_is_there_when_it_is_asked_for() -> None:
    assert "\x1b[31m● failed\x1b[0m" in to_text(ticket("failed"), colour=True)


def test_the_first_hypothesis_shows_its_probability_and_the_raw_one() -> None:
    assert re.search(r"1\. +93\.4 % +█+.* cart: configuration change \(raw 88\.1 %\)", to_text(ticket()))


def test_only_three_hypotheses_are_named() -> None:
    assert "recommendation" not in to_text(ticket())


def test_hypotheses_beyond_the_third_are_counted() -> None:
    assert re.search(r"1\.3 % .*1 more", to_text(ticket()))


def test_none_of_these_has_its_probability() -> None:
    assert re.search(r"1\.2 % .*none of these", to_text(ticket()))


def test_the_path_runs_from_cause_to_symptom() -> None:
    assert "path     cart → checkout → gateway" in to_text(ticket())


@pytest.mark.parametrize(
    "says",
    [
        "+12.3  Calls to cart wait 2.4 s longer",
        "against   -0.7  Two of nine instances",
        "missing  no metrics of the host",
        "check    Look at db.client.connection.count",
        "enough   service cart",
        "missing  7 % of the spans have no parent",
    ],
)
def test_the_text_weighs_what_speaks_for_and_against(says: str) -> None:
    assert says in to_text(ticket())


def test_the_blamed_change_has_commit_title_author_and_time() -> None:
    words = "a1b2c3d4e5f6 “Reduce the connection pool of cart” by Alice Example in shop-config"
    assert words in to_text(ticket())


def test_the_plan_shows_the_diff_that_is_asked_for() -> None:
    assert "│ -pool: 2\n" in to_text(ticket())


def test_the_gate_gives_its_reasons() -> None:
    assert "because  a high impact always asks a human" in to_text(ticket())


def test_the_plan_that_is_asked_about_comes_first() -> None:
    text = to_text(ticket())
    assert text.index("▸  revert-config-change") < text.index("▸  restart-service")


def test_an_open_question_says_how_to_answer_it() -> None:
    assert "yes      aitia approve apr-77c0" in to_text(ticket())


def test_an_open_question_says_until_when() -> None:
    assert "(+1820 s); silence means no" in to_text(ticket())


def test_an_answered_question_offers_no_command() -> None:
    assert "aitia approve" not in to_text(ticket("declined"))


def test_a_declined_plan_says_by_whom_and_why() -> None:
    assert "declined by bob: the deploy freeze is on" in to_text(ticket("declined"))


def test_an_attempt_shows_each_step_with_its_result() -> None:
    assert "✗  reload (http.request) failed in 2 s: the admin port answered 500" in to_text(ticket("failed"))


def test_an_attempt_shows_what_was_undone() -> None:
    assert "↶  revert (git.revert_revert) undone" in to_text(ticket("failed"))


def test_an_attempt_shows_whether_the_symptom_is_gone() -> None:
    assert "after    errors of checkout: 0.2 % of requests" in to_text(ticket("recovered"))


def test_times_are_utc_and_seconds_after_the_beginning() -> None:
    assert "opened   2026-11-18T11:06:54Z (+14 s)" in to_text(ticket())


def test_trace_and_snapshot_are_named() -> None:
    text = to_text(ticket())
    assert (ticket().trace_id in text, ticket().snapshot in text) == (True, True)


@pytest.mark.parametrize("status", STATES)
def test_text_and_markdown_say_the_same_words(status: TicketStatus) -> None:
    told = {
        line.says
        for part in ticket_page(ticket(status)).sections
        for line in part.lines
        if isinstance(line, Line)
    }
    text = " ".join(to_text(ticket(status), width=1000).split())
    shown = "".join(token.content for token in inline(to_markdown(ticket(status))))
    assert [says for says in told if " ".join(says.split()) not in text or says not in shown] == []


def test_a_code_block_in_markdown_holds_the_diff_letter_for_letter() -> None:
    fences = [token.content for token in rendered(to_markdown(ticket())) if token.type == "fence"]
    assert fences[0] == plan().steps[0].preview


def test_a_fence_in_a_preview_cannot_close_the_block() -> None:
    steps = (plan().steps[0].model_copy(update={"preview": "```\n# not a heading\n````"}),)
    proposal = proposals()[1].model_copy(update={"plan": plan(steps=steps)})
    fences = [t.content for t in rendered(to_markdown(ticket(proposals=(proposal,)))) if t.type == "fence"]
    assert fences == ["```\n# not a heading\n````\n"]


def test_a_script_address_never_becomes_a_link() -> None:
    made = to_markdown(ticket(links=(Link(title="x", url="javascript:alert(1)"),)))
    targets = [token.attrs["href"] for token in inline(made) if token.type == "link_open"]
    assert targets == [alert().url]


@given(HOSTILE)
def test_nobody_elses_text_becomes_markup(words: str) -> None:
    said = alert(summary=words, url=None)
    tokens = inline(to_markdown(ticket("observing", title=words, alert=said, joined=(), links=())))
    allowed = {"text", "text_special", "strong_open", "strong_close", "softbreak"}
    assert {token.type for token in tokens} <= allowed


@given(HOSTILE)
def test_markdown_shows_a_title_letter_for_letter(words: str) -> None:
    tokens = rendered(to_markdown(ticket(title=words)))
    shown = "".join(child.content for child in tokens[1].children or ())
    assert shown == plain(words)


@given(st.text(max_size=200))
def test_no_text_can_steer_a_terminal(words: str) -> None:
    said = ticket(title=words, id=words, alert=alert(summary=words), links=(Link(title=words, url=words),))
    assert UNSEEN.search(to_text(said)) is None


@given(st.text(max_size=200))
def test_no_preview_can_steer_a_terminal(words: str) -> None:
    steps = (plan().steps[0].model_copy(update={"preview": words}),)
    proposal = proposals()[1].model_copy(update={"plan": plan(steps=steps)})
    assert UNSEEN.search(to_text(ticket(proposals=(proposal,)))) is None


def test_a_terminal_link_escape_is_taken_out_whole() -> None:
    assert plain("\x1b]8;;http://evil\x07click\x1b]8;;\x07 \x1b[2Jhere") == "click here"


def test_a_very_long_preview_is_cut_and_says_so() -> None:
    steps = (plan().steps[0].model_copy(update={"preview": "line\n" * 500}),)
    proposal = proposals()[1].model_copy(update={"plan": plan(steps=steps)})
    assert "… and 300 more lines" in to_text(ticket(proposals=(proposal,)))


def test_an_impossible_time_is_still_shown() -> None:
    assert "1e+18 s after 1970" in to_text(ticket(opened_at=1e18))


@pytest.mark.parametrize("status", STATES)
def test_a_list_shows_a_ticket_in_one_line(status: TicketStatus) -> None:
    line = one_line(ticket(status, title="a\nb"), width=90)
    assert ("\n" in line, cells(line) <= 90) == (False, True)


def test_the_one_line_names_the_likeliest_cause() -> None:
    assert one_line(ticket(), width=140).endswith("checkout: errors ← cart: configuration change 93.4 %")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.93, "93 %"),
        (0.934, "93.4 %"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.99999, "> 99.9 %"),
        (0.0001, "< 0.1 %"),
    ],
)
def test_a_probability_never_claims_more_than_it_is(share: float, words: str) -> None:
    assert percent(share) == words


def test_every_name_of_the_vocabularies_has_plain_words() -> None:
    named = (set(FAULTS), set(ATTEMPTS), set(STEPS), set(VERDICTS), set(STATUSES))
    assert named == (set(Fault), set(AttemptStatus), set(StepStatus), set(Verdict), set(STATES))


def test_a_diagnosis_alone_names_the_cause_in_its_head() -> None:
    assert "● cart: configuration change, 93.4 %" in diagnosis_text(diagnosis(), alert())


def test_a_diagnosis_without_hypotheses_says_none_of_these() -> None:
    text = diagnosis_text(Diagnosis(engine="aitia"), alert())
    assert re.search(r"● no cause found(.|\n)*100 % .*none of these", text)


def test_a_diagnosis_reads_the_same_in_markdown() -> None:
    assert "- 1\\. **93.4 %** **cart: configuration change (raw 88.1 %)**" in diagnosis_markdown(
        diagnosis(), alert()
    )


def test_an_entity_that_is_no_service_is_named() -> None:
    assert "catalogue: network delay (edge cart->catalogue)" in to_text(ticket())


def test_without_a_known_beginning_seconds_count_from_the_alert() -> None:
    text = to_text(ticket(alert=alert(began_at=None), opened_at=BEGAN + 15))
    assert "opened   2026-11-18T11:06:55Z (+1 s)" in text


def test_a_brief_page_keeps_the_question() -> None:
    titles = [section.title for section in ticket_page(ticket(), detailed=False).sections]
    assert "Your answer" in titles


def test_a_brief_page_shows_less_evidence() -> None:
    lines = [line for part in ticket_page(ticket(), detailed=False).sections for line in part.lines]
    labels = [line.label for line in lines if isinstance(line, Line)]
    assert (labels.count("for"), len(hypotheses()[0].evidence)) == (2, 3)


def test_a_second_attempt_is_numbered() -> None:
    tries = (attempt(AttemptStatus.NOT_RECOVERED), attempt(AttemptStatus.RECOVERED))
    assert "  2. revert-config-change: recovered" in to_text(ticket("recovered", attempts=tries))

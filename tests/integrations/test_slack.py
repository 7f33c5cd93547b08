"""The Slack notifier against a Slack that bites, through the vendor's own client."""

import json
import socket
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from causal.errors import AitiaError, Refused, Unavailable
from integrations.ports import MessageRef
from integrations.slack import SlackNotifier, SlackSettings
from integrations.slack_blocks import FULL, SHORT, Budget, blocks, size, weight
from integrations.slack_messages import MemoryMessageRefs
from playbooks.page import Line, Page, Section
from playbooks.remedy import Proposal
from playbooks.render import ticket_page
from playbooks.ticket import Link, Ticket
from tests.doubles.slack import CHANNEL, CHANNEL_ID, TOKEN, SlackDouble, slack
from tests.playbooks.made_up import alert, diagnosis, hypotheses, plan, proposals, ticket


@pytest.fixture
def workspace() -> Iterator[SlackDouble]:
    with slack() as double:
        yield double


def notifier(workspace: SlackDouble, refs: MemoryMessageRefs | None = None, **settings: Any) -> SlackNotifier:
    given_settings = {"token": TOKEN, "channel": CHANNEL, "base_url": workspace.url, **settings}
    clock = workspace.clock
    posts = MemoryMessageRefs() if refs is None else refs
    return SlackNotifier(SlackSettings(**given_settings), posts, clock=clock.time, pause=clock.advance)


def methods(workspace: SlackDouble) -> list[str]:
    return [method for method, _ in workspace.calls]


def later(shown: Ticket, seconds: float) -> Ticket:
    return shown.model_copy(update={"updated_at": shown.updated_at + seconds})


def huge() -> Ticket:
    """Make a ticket that holds far more than Slack takes."""
    words = "& <evidence> 日本 " * 60
    evidence = tuple(hypotheses()[0].evidence[0].model_copy(update={"says": words}) for _ in range(60))
    first = hypotheses()[0].model_copy(update={"evidence": evidence, "missing": (words,) * 30})
    full = diagnosis().model_copy(update={"hypotheses": (first,), "missing_evidence": (words,) * 50})
    steps = tuple(plan().steps[0].model_copy(update={"preview": "+ long\n" * 400}) for _ in range(20))
    proposal = Proposal(plan=plan(steps=steps), decision=proposals()[1].decision)
    return ticket(title=words, diagnosis=full, proposals=(proposal,))


def test_a_new_ticket_is_one_message(workspace: SlackDouble) -> None:
    notifier(workspace).publish(ticket())
    assert len(workspace.roots) == 1


def test_the_details_are_in_the_thread(workspace: SlackDouble) -> None:
    notifier(workspace).publish(ticket())
    assert [reply.thread_ts for reply in workspace.replies] == [workspace.roots[0].ts]


def test_the_message_says_how_to_answer(workspace: SlackDouble) -> None:
    notifier(workspace).publish(ticket())
    assert "`aitia approve apr-77c0`" in workspace.roots[0].shown


def test_the_details_show_the_diff(workspace: SlackDouble) -> None:
    notifier(workspace).publish(ticket())
    assert "\n-pool: 2\n" in workspace.replies[0].shown


def test_every_post_has_a_text_for_notifications(workspace: SlackDouble) -> None:
    notifier(workspace).publish(ticket())
    assert {m.text for m in workspace.messages} == {
        "inc-3f2a91bc-1 waiting for your approval: checkout: errors"
    }


def test_a_changed_ticket_is_updated_in_place(workspace: SlackDouble) -> None:
    slack_notifier = notifier(workspace)
    slack_notifier.publish(ticket("planning"))
    slack_notifier.publish(later(ticket("recovered"), 9))
    assert ("recovered" in workspace.roots[0].shown, len(workspace.roots)) == (True, 1)


def test_publishing_the_same_ticket_again_calls_nothing(workspace: SlackDouble) -> None:
    slack_notifier = notifier(workspace)
    slack_notifier.publish(ticket())
    before = len(workspace.calls)
    slack_notifier.publish(ticket())
    assert len(workspace.calls) == before


def test_a_new_status_is_told_once_in_the_thread(workspace: SlackDouble) -> None:
    slack_notifier = notifier(workspace)
    slack_notifier.publish(ticket("planning"))
    for seconds in (1, 2, 3):
        slack_notifier.publish(later(ticket("executing"), seconds))
    assert len([reply for reply in workspace.replies if "*carrying out the fix*" in reply.shown]) == 2


def test_the_first_status_is_not_told_a_second_time(workspace: SlackDouble) -> None:
    notifier(workspace).publish(ticket("observing"))
    assert len(workspace.replies) == 1


def test_a_restart_updates_the_message_that_is_there(workspace: SlackDouble) -> None:
    refs = MemoryMessageRefs()
    notifier(workspace, refs).publish(ticket("planning"))
    notifier(workspace, refs).publish(later(ticket("recovered"), 9))
    assert (len(workspace.roots), workspace.roots[0].edits) == (1, 1)


def test_an_older_ticket_does_not_overwrite_a_newer_one(workspace: SlackDouble) -> None:
    slack_notifier = notifier(workspace)
    slack_notifier.publish(later(ticket("recovered"), 9))
    slack_notifier.publish(ticket("planning"))
    assert "*recovered*" in workspace.roots[0].shown


def test_an_older_ticket_tells_no_milestone(workspace: SlackDouble) -> None:
    slack_notifier = notifier(workspace)
    slack_notifier.publish(later(ticket("recovered"), 9))
    slack_notifier.publish(ticket("planning"))
    assert len(workspace.replies) == 1


def test_two_workers_at_once_post_one_message(workspace: SlackDouble) -> None:
    refs = MemoryMessageRefs()

    def publish(_: int) -> str:
        try:
            notifier(workspace, refs).publish(ticket())
        except Unavailable:
            return "busy"
        return "posted"

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(publish, range(12)))
    assert (len(workspace.roots), "posted" in answers) == (1, True)


def test_while_another_posts_the_second_is_told_to_come_again(workspace: SlackDouble) -> None:
    refs = MemoryMessageRefs()
    refs.claim(ticket().id, "message", now=workspace.clock.now, lease=30.0)
    with pytest.raises(Unavailable, match="somebody else is posting the message of inc-3f2a91bc-1"):
        notifier(workspace, refs).publish(ticket())


def test_the_post_of_a_dead_worker_is_taken_over(workspace: SlackDouble) -> None:
    refs = MemoryMessageRefs()
    refs.claim(ticket().id, "message", now=workspace.clock.now, lease=30.0)
    workspace.clock.advance(31)
    notifier(workspace, refs).publish(ticket())
    assert len(workspace.roots) == 1


def test_a_failed_post_can_be_tried_again_at_once(workspace: SlackDouble) -> None:
    slack_notifier = notifier(workspace)
    workspace.failures.append((503, "down"))
    with pytest.raises(Unavailable):
        slack_notifier.publish(ticket())
    slack_notifier.publish(ticket())
    assert len(workspace.roots) == 1


def test_what_was_posted_before_a_failure_is_not_posted_again(workspace: SlackDouble) -> None:
    slack_notifier = notifier(workspace)
    workspace.seconds_per_message, workspace.retry_after = 60.0, "60"
    with pytest.raises(Unavailable):
        slack_notifier.publish(ticket())
    workspace.clock.advance(60)
    slack_notifier.publish(ticket())
    assert (len(workspace.roots), len(workspace.replies)) == (1, 1)


def test_a_deleted_message_is_posted_anew(workspace: SlackDouble) -> None:
    slack_notifier = notifier(workspace)
    slack_notifier.publish(ticket("planning"))
    workspace.messages.clear()
    slack_notifier.publish(later(ticket("recovered"), 9))
    assert len(workspace.roots) == 1


def test_a_short_rate_limit_is_waited_for(workspace: SlackDouble) -> None:
    workspace.seconds_per_message = 1.0
    notifier(workspace).publish(ticket())
    assert workspace.clock.slept == [1.0]


def test_a_long_rate_limit_is_handed_back_with_its_seconds(workspace: SlackDouble) -> None:
    workspace.seconds_per_message, workspace.retry_after = 60.0, "60"
    with pytest.raises(Unavailable, match=r"rate-limited; try again in 60 s"):
        notifier(workspace).publish(ticket())


def test_a_rate_limit_without_end_is_given_up(workspace: SlackDouble) -> None:
    workspace.seconds_per_message, workspace.retry_after = 60.0, "2"
    with pytest.raises(Unavailable, match="rate-limited"):
        notifier(workspace).publish(ticket())


def test_an_unreadable_retry_after_is_a_long_one(workspace: SlackDouble) -> None:
    workspace.seconds_per_message, workspace.retry_after = 60.0, "soon"
    with pytest.raises(Unavailable, match="try again in 30 s"):
        notifier(workspace).publish(ticket())


@pytest.mark.parametrize(
    ("channel", "advice"),
    [("#nowhere", "no such channel"), ("#archive", "archived"), ("C0SECRET", "invite it there with /invite")],
)
def test_a_wrong_channel_is_refused_with_what_to_do(
    workspace: SlackDouble, channel: str, advice: str
) -> None:
    workspace.channels["#secret"] = "C0SECRET"
    with pytest.raises(Refused, match=advice):
        notifier(workspace, channel=channel).publish(ticket())


def test_a_wrong_token_is_refused_with_what_to_do(workspace: SlackDouble) -> None:
    with pytest.raises(Refused, match=r"invalid_auth.*set a valid bot token"):
        notifier(workspace, token="xoxb-wrong").publish(ticket())


@pytest.mark.parametrize("failure", [(500, "oops"), (502, "<html>bad gateway</html>"), (503, "")])
def test_a_broken_slack_is_unavailable(workspace: SlackDouble, failure: tuple[int, str]) -> None:
    workspace.failures.append(failure)
    with pytest.raises(Unavailable):
        notifier(workspace).publish(ticket())


def test_a_page_that_is_no_slack_is_refused(workspace: SlackDouble) -> None:
    workspace.failures.append((404, "<html>not here</html>"))
    with pytest.raises(Refused, match="check `base_url`"):
        notifier(workspace).publish(ticket())


def test_an_answer_without_a_place_is_unavailable(workspace: SlackDouble) -> None:
    workspace.failures.append((200, '{"ok": true}'))
    with pytest.raises(Unavailable, match="does not say where"):
        notifier(workspace).publish(ticket())


def test_nobody_listening_is_unavailable(workspace: SlackDouble) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api/"
        with pytest.raises(Unavailable, match="got no answer"):
            notifier(workspace, base_url=url).publish(ticket())


@pytest.mark.parametrize("failure", ["", '{"ok": false, "error": "channel_not_found"}', "echo"])
def test_no_error_tells_the_token(workspace: SlackDouble, failure: str) -> None:
    secret = "xoxb-" + "secret" * 2
    workspace.failures.append((500, f"{secret} {failure}" if failure == "echo" else failure))
    with pytest.raises(AitiaError) as caught:
        notifier(workspace, token=secret).publish(ticket())
    assert secret not in "".join(traceback.format_exception(caught.value))


def test_settings_do_not_show_the_token() -> None:
    shown = repr(SlackSettings(token=SecretStr(TOKEN), channel=CHANNEL))
    assert TOKEN not in shown


def test_unknown_settings_are_named() -> None:
    with pytest.raises(ValidationError, match="chanel"):
        SlackSettings.model_validate({"token": TOKEN, "chanel": CHANNEL})


def test_a_ping_names_the_workspace(workspace: SlackDouble) -> None:
    assert notifier(workspace).ping() == "Made-up team"


def test_a_huge_ticket_is_taken_at_the_first_try(workspace: SlackDouble) -> None:
    notifier(workspace).publish(huge())
    assert methods(workspace)[:2] == ["chat.postMessage", "chat.postMessage"]


def test_a_shortened_message_keeps_the_question(workspace: SlackDouble) -> None:
    notifier(workspace).publish(huge())
    assert "`aitia approve apr-77c0`" in workspace.roots[0].shown


@pytest.mark.parametrize("budget", [FULL, SHORT])
def test_the_question_is_the_last_thing_to_go(budget: Budget) -> None:
    made = blocks(ticket_page(huge()), budget=budget)
    assert "`aitia approve apr-77c0`" in json.dumps(made)


def test_a_shortened_message_says_where_the_rest_is(workspace: SlackDouble) -> None:
    notifier(workspace).publish(huge())
    assert "Shortened; all of it: `aitia incident inc-3f2a91bc-1`" in workspace.replies[0].shown


@pytest.mark.parametrize("code", ["msg_too_long", "msg_blocks_too_long", "invalid_blocks"])
def test_what_is_too_long_is_sent_again_shorter(workspace: SlackDouble, code: str) -> None:
    workspace.failures.append((200, json.dumps({"ok": False, "error": code})))
    notifier(workspace).publish(huge())
    assert weight(workspace.roots[0].blocks) <= SHORT.characters


def test_what_is_still_too_long_is_sent_as_bare_text(workspace: SlackDouble) -> None:
    workspace.failures.extend([(200, json.dumps({"ok": False, "error": "invalid_blocks"}))] * 2)
    notifier(workspace).publish(ticket())
    assert (workspace.roots[0].blocks, workspace.roots[0].text != "") == ([], True)


def test_what_is_too_long_in_every_form_is_refused(workspace: SlackDouble) -> None:
    workspace.failures.extend([(200, json.dumps({"ok": False, "error": "msg_too_long"}))] * 3)
    with pytest.raises(Refused, match="too long"):
        notifier(workspace).publish(ticket())


def test_nobody_can_be_mentioned_by_an_alert(workspace: SlackDouble) -> None:
    notifier(workspace).publish(ticket(alert=alert(summary="<!channel> <@U1> <https://evil|click> & more")))
    assert "&lt;!channel&gt; &lt;@U1&gt; &lt;https://evil|click&gt; &amp; more" in workspace.roots[0].shown


def test_a_fence_in_a_diff_cannot_close_the_code(workspace: SlackDouble) -> None:
    steps = (plan().steps[0].model_copy(update={"preview": "```<!here>```"}),)
    proposal = proposals()[1].model_copy(update={"plan": plan(steps=steps)})
    notifier(workspace).publish(ticket(proposals=(proposal,)))
    assert workspace.replies[0].shown.count("```") == 2


def test_a_link_that_breaks_out_is_shown_as_text(workspace: SlackDouble) -> None:
    links = (Link(title="x", url="https://a|<!channel>"),)
    notifier(workspace).publish(ticket(links=links))
    assert "x: https://a|&lt;!channel&gt;" in workspace.roots[0].shown


def page_of(*lines: str, title: str = "t") -> Page:
    return Page(title, "inc-1", "s", "plain", (Section("", tuple(Line(line) for line in lines)),))


@given(st.lists(st.text(max_size=700), max_size=40), st.text(max_size=400))
def test_any_page_keeps_within_the_documented_limits(lines: list[str], title: str) -> None:
    made = blocks(page_of(*lines, title=title))
    sections = [size(block["text"]["text"]) for block in made if block["type"] == "section"]
    headers = [size(block["text"]["text"]) for block in made if block["type"] == "header"]
    kept = (len(made) <= 50, max(sections) <= 3000, max(headers) <= 150, weight(made) <= FULL.characters)
    assert kept == (True, True, True, True)


@given(st.text(alphabet="&<>日😀x", min_size=400, max_size=900))
def test_no_escape_is_torn_by_cutting(words: str) -> None:
    text = blocks(page_of(words))[-1]["text"]["text"]
    bare = text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert set(bare) & set("&<>") == set()


def test_a_budget_of_blocks_is_kept() -> None:
    page = ticket_page(huge())
    assert len(blocks(page, budget=Budget(characters=10**6, blocks=7))) <= 7


def client(workspace: SlackDouble, token: str = TOKEN) -> WebClient:
    return WebClient(token=token, base_url=workspace.url, retry_handlers=[])


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def header(text: str) -> dict[str, Any]:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


AT_THE_LIMIT = {
    "section": [section("x" * 3000)],
    "header": [header("x" * 150)],
    "blocks": [section("x")] * 50,
    "least": [section("x")],
    "total": [section("x" * 2900)] * 4,
}
OVER_THE_LIMIT = {
    "section": ([section("x" * 3001)], "invalid_blocks"),
    "header": ([header("x" * 151)], "invalid_blocks"),
    "blocks": ([section("x")] * 51, "invalid_blocks"),
    "least": ([section("")], "invalid_blocks"),
    "total": ([section("x" * 2900)] * 5, "msg_blocks_too_long"),
}


@pytest.mark.parametrize("what", AT_THE_LIMIT)
def test_the_double_takes_what_is_at_the_limit(workspace: SlackDouble, what: str) -> None:
    assert client(workspace).chat_postMessage(channel=CHANNEL, text="t", blocks=AT_THE_LIMIT[what])["ok"]


@pytest.mark.parametrize("what", OVER_THE_LIMIT)
def test_the_double_refuses_what_is_over_the_limit(workspace: SlackDouble, what: str) -> None:
    over, code = OVER_THE_LIMIT[what]
    with pytest.raises(SlackApiError, match=code):
        client(workspace).chat_postMessage(channel=CHANNEL, text="t", blocks=over)


def test_the_double_takes_the_longest_text(workspace: SlackDouble) -> None:
    assert client(workspace).chat_postMessage(channel=CHANNEL, text="x" * 40_000)["ok"]


def test_the_double_refuses_a_longer_text(workspace: SlackDouble) -> None:
    with pytest.raises(SlackApiError, match="msg_too_long"):
        client(workspace).chat_postMessage(channel=CHANNEL, text="x" * 40_001)


def test_the_double_limits_the_rate_with_a_wait(workspace: SlackDouble) -> None:
    workspace.seconds_per_message = 1.0
    client(workspace).chat_postMessage(channel=CHANNEL, text="one")
    with pytest.raises(SlackApiError) as caught:
        client(workspace).chat_postMessage(channel=CHANNEL, text="two")
    answer = caught.value.response
    assert (answer.status_code, answer["error"], answer.headers["Retry-After"]) == (429, "ratelimited", "1")


def test_the_double_takes_forms_as_well_as_json(workspace: SlackDouble) -> None:
    form = {"channel": CHANNEL, "text": "hi", "blocks": json.dumps([section("x")])}
    answer = client(workspace).api_call("chat.postMessage", params=form)
    assert answer["channel"] == CHANNEL_ID


@pytest.mark.parametrize(("token", "code"), [("", "not_authed"), ("xoxb-wrong", "invalid_auth")])
def test_the_double_wants_its_token(workspace: SlackDouble, token: str, code: str) -> None:
    with pytest.raises(SlackApiError, match=code):
        client(workspace, token).auth_test()


def test_the_double_knows_no_message_of_another_time(workspace: SlackDouble) -> None:
    with pytest.raises(SlackApiError, match="message_not_found"):
        client(workspace).chat_update(channel=CHANNEL_ID, ts="1.0", text="x")


def test_a_reference_of_a_newer_version_can_be_read() -> None:
    ref = MessageRef.model_validate({"channel": "C1", "ts": "1.0", "new_field": 1})
    assert ref.ts == "1.0"

"""Buttons under a question and files in a thread, against a Slack that bites."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from causal.errors import Refused
from causal.evidence import CausalGraph, CauseEdge, Diagnosis, Entity
from integrations.causal_picture import MOST_NODES, described, picture
from integrations.slack import SlackNotifier, SlackSettings
from integrations.slack_messages import MemoryMessageRefs
from integrations.slack_views import buttons, decline_form
from playbooks.remedy import ApprovalRequest, Vote
from playbooks.ticket import Ticket
from tests.doubles.slack import CHANNEL, CHANNEL_ID, TOKEN, Message, SlackDouble, slack
from tests.doubles.slack_limits import problems_of_blocks
from tests.integrations.test_slack import huge, later
from tests.playbooks.made_up import diagnosis, request, ticket


@pytest.fixture
def workspace() -> Iterator[SlackDouble]:
    with slack() as double:
        yield double


def token_of(question: ApprovalRequest) -> str:
    return f"token-{len(question.votes)}"


def notifier(workspace: SlackDouble) -> SlackNotifier:
    settings = SlackSettings.model_validate({"token": TOKEN, "channel": CHANNEL, "base_url": workspace.url})
    clock = workspace.clock
    return SlackNotifier(settings, MemoryMessageRefs(), token_of, clock.time, clock.advance)


def tokens(message: Message) -> list[str]:
    return [
        element["value"]
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def connected(*services: str) -> Diagnosis:
    """A diagnosis whose trouble goes from each service to the next."""
    edges = tuple(
        CauseEdge(
            source=f"service:{cause}", target=f"service:{effect}", mechanism="calls", strength=0.9, reason=""
        )
        for cause, effect in pairwise(services)
    )
    graph = CausalGraph(nodes=tuple(map(Entity.of_service, services)), edges=edges)
    return diagnosis().model_copy(update={"graph": graph})


# Buttons


def test_an_open_question_has_three_buttons_with_its_token(workspace: SlackDouble) -> None:
    notifier(workspace).publish(ticket())
    assert tokens(workspace.roots[0]) == ["token-0"] * 3


def test_only_the_message_itself_has_buttons(workspace: SlackDouble) -> None:
    notifier(workspace).publish(ticket())
    assert [tokens(reply) for reply in workspace.replies] == [[]]


def test_after_a_vote_the_buttons_carry_the_next_token(workspace: SlackDouble) -> None:
    slack_notifier = notifier(workspace)
    slack_notifier.publish(ticket())
    voted = request().model_copy(update={"votes": (Vote(by="ada", at=1.0, right="sre"),)})
    slack_notifier.publish(later(ticket(approval=voted), 5))
    assert tokens(workspace.roots[0]) == ["token-1"] * 3


@pytest.mark.parametrize("status", ["executing", "declined", "expired", "recovered"])
def test_an_answered_question_has_no_buttons(workspace: SlackDouble, status: Any) -> None:
    slack_notifier = notifier(workspace)
    slack_notifier.publish(ticket())
    slack_notifier.publish(later(ticket(status), 5))
    assert tokens(workspace.roots[0]) == []


def test_the_same_question_again_changes_nothing(workspace: SlackDouble) -> None:
    slack_notifier = notifier(workspace)
    slack_notifier.publish(ticket())
    before = len(workspace.calls)
    slack_notifier.publish(ticket())
    assert len(workspace.calls) == before


def test_a_huge_ticket_has_its_buttons_within_the_budget(workspace: SlackDouble) -> None:
    notifier(workspace).publish(huge())
    assert (tokens(workspace.roots[0]), workspace.calls[0][0]) == (["token-0"] * 3, "chat.postMessage")


@given(title=st.text(max_size=3_000), token=st.text(max_size=100), name=st.text(max_size=300))
def test_no_question_makes_buttons_that_slack_refuses(title: str, token: str, name: str) -> None:
    question = request().model_copy(update={"title": title, "id": name})
    assert list(problems_of_blocks([buttons(question, token)])) == []


@pytest.mark.parametrize(
    "change",
    [
        {"text": {"type": "plain_text", "text": "x" * 76}},
        {"value": "x" * 2_001},
        {"action_id": "x" * 256},
        {"style": "pink"},
        {"confirm": {"title": {"type": "plain_text", "text": "x" * 101}}},
    ],
)
def test_the_double_refuses_a_button_over_slacks_limits(workspace: SlackDouble, change: Any) -> None:
    block = buttons(request(), "token")
    block["elements"][0] |= change
    client = WebClient(token=TOKEN, base_url=workspace.url)
    with pytest.raises(SlackApiError, match="invalid_blocks"):
        client.chat_postMessage(channel=CHANNEL, text="x", blocks=[block])


# Forms and whispers of the double


def test_a_trigger_opens_one_form(workspace: SlackDouble) -> None:
    client, trigger = WebClient(token=TOKEN, base_url=workspace.url), workspace.trigger()
    client.views_open(trigger_id=trigger, view=decline_form(request(), "token"))
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        client.views_open(trigger_id=trigger, view=decline_form(request(), "token"))


def test_a_trigger_is_too_old_after_three_seconds(workspace: SlackDouble) -> None:
    client, trigger = WebClient(token=TOKEN, base_url=workspace.url), workspace.trigger()
    workspace.clock.advance(3.1)
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        client.views_open(trigger_id=trigger, view=decline_form(request(), "token"))


def test_who_is_not_in_the_channel_cannot_be_told_anything_there(workspace: SlackDouble) -> None:
    client = WebClient(token=TOKEN, base_url=workspace.url)
    with pytest.raises(SlackApiError, match="user_not_in_channel"):
        client.chat_postEphemeral(channel=CHANNEL_ID, user="U0NOBODY", text="hello")


# Files


def test_a_shortened_ticket_is_attached_whole(workspace: SlackDouble) -> None:
    notifier(workspace).publish(huge())
    [file] = workspace.files.values()
    assert (file.thread_ts, b"long" in file.content) == (workspace.roots[0].ts, True)


def test_the_causal_graph_is_attached_as_a_picture(workspace: SlackDouble) -> None:
    notifier(workspace).publish(ticket(diagnosis=connected("cart", "gateway")))
    [file] = workspace.files.values()
    assert (file.name, Image.open(io.BytesIO(file.content)).format) == (
        "inc-3f2a91bc-1-causes.png",
        "PNG",
    )


def test_a_ticket_that_fits_and_has_no_graph_has_no_files(workspace: SlackDouble) -> None:
    notifier(workspace).publish(ticket())
    assert workspace.files == {}


def test_files_are_attached_once(workspace: SlackDouble) -> None:
    slack_notifier, shown = notifier(workspace), ticket(diagnosis=connected("cart", "gateway"))
    for seconds in (0, 1, 2):
        slack_notifier.publish(later(shown, seconds))
    assert len(workspace.files) == 1


@pytest.mark.parametrize("status", ["observing", "diagnosing", "planning"])
def test_nothing_is_attached_before_the_diagnosis_is_done(workspace: SlackDouble, status: Any) -> None:
    notifier(workspace).publish(ticket(status, diagnosis=connected("cart", "gateway")))
    assert workspace.files == {}


def shown_without_scope(workspace: SlackDouble) -> tuple[SlackNotifier, Ticket]:
    workspace.scopes = "chat:write"
    slack_notifier, shown = notifier(workspace), ticket(diagnosis=connected("cart", "gateway"))
    with pytest.raises(Refused, match="files:write"):
        slack_notifier.publish(shown)
    return slack_notifier, shown


def test_without_the_scope_for_files_the_ticket_is_shown_all_the_same(workspace: SlackDouble) -> None:
    shown_without_scope(workspace)
    assert (len(workspace.roots), len(workspace.replies)) == (1, 1)


def test_files_that_slack_refused_are_not_sent_again(workspace: SlackDouble) -> None:
    slack_notifier, shown = shown_without_scope(workspace)
    slack_notifier.publish(later(shown, 5))
    assert len([method for method, _ in workspace.calls if method.startswith("files.")]) == 1


# The picture


def size(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


def test_each_cause_is_left_of_its_effects() -> None:
    two, three = size(picture(connected("a", "b"))), size(picture(connected("a", "b", "c")))
    assert (three[0] > two[0], three[1] == two[1]) == (True, True)


def test_a_circle_is_drawn_too() -> None:
    assert size(picture(connected("a", "b", "a")))


def test_one_entity_is_no_graph() -> None:
    assert picture(connected("a")) == b""


def test_a_large_graph_is_cut_to_what_can_be_read() -> None:
    most = size(picture(connected(*(f"service-{number}" for number in range(MOST_NODES)))))
    assert size(picture(connected(*(f"service-{number}" for number in range(200)))))[0] <= most[0]


def test_who_cannot_see_the_picture_is_told_the_path() -> None:
    assert " to ".join(diagnosis().hypotheses[0].path) in described(diagnosis())


@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda pair: pair[0] != pair[1]), max_size=20
    )
)
def test_any_graph_can_be_drawn(pairs: list[tuple[int, int]]) -> None:
    edges = tuple(
        CauseEdge(source=f"service:{a}", target=f"service:{b}", mechanism="", strength=0.5, reason="")
        for a, b in pairs
    )
    nodes = tuple(Entity.of_service(str(number)) for number in range(9))
    graph = CausalGraph(nodes=nodes, edges=edges)
    assert picture(diagnosis().model_copy(update={"graph": graph})).startswith(b"\x89PNG")

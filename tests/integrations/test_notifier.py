"""What every notifier promises: one message an incident, updated, and nothing new for nothing new."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from integrations.memory import MemoryNotifier
from integrations.ports import Notifier
from integrations.slack import SlackNotifier, SlackSettings
from integrations.slack_messages import MemoryMessageRefs
from playbooks.ticket import Ticket
from tests.doubles.slack import CHANNEL, TOKEN, slack
from tests.playbooks.made_up import ticket


class Shown(NamedTuple):
    """A notifier, and what people see: how many messages, and all that was ever to be seen of them."""

    notifier: Notifier
    messages: Callable[[], int]
    seen: Callable[[], object]


@pytest.fixture(params=["memory", "slack"])
def shown(request: pytest.FixtureRequest) -> Iterator[Shown]:
    if request.param == "memory":
        memory = MemoryNotifier()
        yield Shown(
            memory, lambda: len(memory.messages), lambda: {k: tuple(v) for k, v in memory.messages.items()}
        )
        return
    with slack() as double:
        settings = SlackSettings.model_validate({"token": TOKEN, "channel": CHANNEL, "base_url": double.url})
        yield Shown(
            SlackNotifier(settings, MemoryMessageRefs()),
            lambda: len(double.roots),
            lambda: tuple((message.ts, message.edits, message.shown) for message in double.messages),
        )


def changed() -> Ticket:
    return ticket("recovered", updated_at=ticket().updated_at + 60)


def test_the_first_publish_makes_one_message(shown: Shown) -> None:
    shown.notifier.publish(ticket())
    assert shown.messages() == 1


def test_a_later_publish_makes_no_second_message(shown: Shown) -> None:
    shown.notifier.publish(ticket())
    shown.notifier.publish(changed())
    assert shown.messages() == 1


def test_a_later_publish_changes_what_is_seen(shown: Shown) -> None:
    shown.notifier.publish(ticket())
    before = shown.seen()
    shown.notifier.publish(changed())
    assert shown.seen() != before


def test_publishing_the_same_twice_changes_nothing(shown: Shown) -> None:
    shown.notifier.publish(ticket())
    before = shown.seen()
    shown.notifier.publish(ticket())
    assert shown.seen() == before


def test_each_incident_has_its_own_message(shown: Shown) -> None:
    shown.notifier.publish(ticket())
    shown.notifier.publish(ticket(id="inc-another-1"))
    assert shown.messages() == 2

"""A Slack workspace, a real door that hears it, and the real workflows and agents behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import Client

from integrations.memory_actions import MemoryAction
from integrations.ports import AuditRow
from tests.doubles.slack import CHANNEL, CHANNEL_ID, TOKEN, Message, SlackDouble, slack
from tests.doubles.slack_socket import APP_TOKEN, SlackSocket, slack_socket
from tests.workers.doors import OpenDoor, open_door, settings_of
from tests.workers.stage import Script, Stage, eventually
from workers.house import House

ADA, KIM, STRANGER = "U0ADA", "U0KIM", "U0STRANGER"


@dataclass
class Here:
    """A workspace, a door that hears it, and agents at work behind it."""

    slack: SlackDouble
    socket: SlackSocket
    door: OpenDoor
    stage: Stage

    @property
    def house(self) -> House:
        return self.door.house

    async def deliver(self, kind: str, payload: dict[str, Any], *, times: int = 1) -> Any:
        """Have Slack deliver something; gives what it was acknowledged with."""
        return (await asyncio.to_thread(self.socket.deliver, kind, payload, times=times)).answer

    async def press(self, action: str, user: str, *, times: int = 1) -> dict[str, Any]:
        """Press a button of the incident's message; gives what Slack sent."""
        payload = self.slack.press((await self.message()), action, user)
        await self.deliver("interactive", payload, times=times)
        return payload

    async def message(self) -> Message:
        """The incident's message, once it has buttons."""
        return (await eventually(lambda: [each for each in self.slack.roots if buttons_of(each)]))[0]

    async def whisper(self, user: str, number: int = 1) -> str:
        """What somebody alone is told, the so-many-th time."""
        await eventually(lambda: len(self._whispers(user)) >= number)
        return self._whispers(user)[number - 1]

    def _whispers(self, user: str) -> list[str]:
        return [text for _, who, text in self.slack.whispers if who == user]

    async def command(self, user: str, text: str) -> str:
        """Type ``/aitia …``; gives the answer."""
        before = len(self._whispers(user))
        payload = {
            "command": "/aitia",
            "text": text,
            "user_id": user,
            "channel_id": CHANNEL_ID,
            "trigger_id": self.slack.trigger(),
        }
        await self.deliver("slash_commands", payload)
        return await self.whisper(user, before + 1)

    def refusals(self) -> list[AuditRow]:
        return [row for row in self.house.audit.rows() if row.entry.event == "approval.refused"]


def buttons_of(message: Message) -> list[str]:
    return [
        each["action_id"]
        for block in message.blocks
        if block["type"] == "actions"
        for each in block["elements"]
    ]


def submission(view: dict[str, Any], user: str, **fields: str) -> dict[str, Any]:
    """What Slack sends when somebody sends a form."""
    kinds = {block["block_id"]: block["element"] for block in view["blocks"] if block["type"] == "input"}

    def filled(name: str, value: str) -> dict[str, Any]:
        if kinds[name]["type"] == "static_select":
            assert value in [option["value"] for option in kinds[name]["options"]]
            return {"type": "static_select", "selected_option": {"value": value}}
        return {"type": "plain_text_input", "value": value}

    values = {name: {name: filled(name, value)} for name, value in fields.items()}
    return {"type": "view_submission", "user": {"id": user}, "view": {**view, "state": {"values": values}}}


@asynccontextmanager
async def here(client: Client, home: Path, *, named: bool = True, **changes: Any) -> AsyncIterator[Here]:
    """Everything, with ada who may approve and kim who may not."""
    with slack() as double, slack_socket() as socket:
        double.socket, double.users = socket, {CHANNEL_ID: {ADA, KIM, STRANGER}}
        given = {
            "slack_token": TOKEN,
            "slack_channel": CHANNEL,
            "slack_url": double.url,
            "slack_app_token": APP_TOKEN,
            **changes,
        }
        with open_door(settings_of(home, client, **given)) as door:
            house = door.house
            if named:
                house.people.add("ada", ("sre",), ADA, None)
                house.people.add("kim", (), KIM, None)
            stage = Stage(
                client,
                Script(),
                MemoryAction(),
                incidents=house.incidents,
                approvals=house.approvals,
                audit=house.audit,
                people=house.people.read(),
                key=house.settings.approval_key(),
                more_notifiers=house.notifiers,
            )
            async with stage.at_work():
                yield Here(double, socket, door, stage)

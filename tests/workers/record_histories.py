"""Records what running incidents look like in Temporal's history, for `test_history.py` to replay.

    python -m tests.workers.record_histories              record the stories that have no recording yet
    python -m tests.workers.record_histories --replace    record all of them anew

A recording stands for incidents that are running while Aitia is brought up to date. So when a replay fails,
first make the workflow understand the old history (`temporalio.workflow.patched`), and keep the recording.
Replace recordings only where nobody can have such an incident any more.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from causal.evidence import Diagnosis
from integrations.memory_actions import MemoryAction
from integrations.temporal_server import DevServerSettings, find_binary, start_dev_server
from tests.workers.stage import ALERT, PLAYBOOK, Script, Stage, eventually

HISTORIES = Path(__file__).parent / "histories"


async def recovered(client: Client) -> None:
    """Approved, done, and well again; the alert came twice."""
    stage = Stage(client, Script(), MemoryAction())
    async with stage.at_work():
        handle = await stage.alert()
        question = await stage.question()
        await stage.alert(ALERT.model_copy(update={"raised_at": 1005.0}))
        await eventually(lambda: stage.ticket().duplicates)
        await stage.answer(question)
        await handle.result()


async def declined(client: Client) -> None:
    """A human said no, and whoever alerted said that it is over."""
    stage = Stage(client, Script(recovers=False), MemoryAction())
    async with stage.at_work():
        await stage.resolved_by_others(approve=False, because="not now")


async def undone(client: Client) -> None:
    """The second step failed and the first was taken back."""
    stage = Stage(client, Script(), MemoryAction(refuse={"second-cart"}))
    async with stage.at_work():
        await stage.resolved_by_others()


async def expired(client: Client) -> None:
    """Nobody answered."""
    stage = Stage(client, Script(), MemoryAction(), playbook=PLAYBOOK.replace("expires: 30m", "expires: 1s"))
    async with stage.at_work():
        await (await stage.alert()).result()


async def escalated(client: Client) -> None:
    """Two had to approve: one handed her vote over, then others were asked, and one of them approved too."""
    rule = "{approvers: [sre], quorum: 2, expires: 30m, escalate_to: [sre-lead], escalate_after: 1s}"
    playbook = PLAYBOOK.replace("{approvers: [sre], quorum: 1, expires: 30m}", rule)
    stage = Stage(client, Script(), MemoryAction(), playbook=playbook)
    async with stage.at_work():
        handle = await stage.alert()
        question = await stage.delegate(await stage.question(), "ada", "kim")
        question = await stage.answer(question, by="kim", roles=())
        await eventually(lambda: stage.approvals.get(question.id).escalated_at)
        await stage.answer(question, by="eve", roles=("sre-lead",))
        await handle.result()


async def stopped(client: Client) -> None:
    """The second step's answer was lost, and everything was stopped while that was looked into."""
    stage = Stage(client, Script(), MemoryAction(lose_answer_of={"second-cart"}))
    async with stage.at_work():
        await stage.alert()
        question = await stage.question()
        await stage.answer(question)
        await eventually(lambda: len(stage.action.executed) > 1)
        stage.kill_switch.throw(by="ada", because="wrong shop", at=1.0)
        await eventually(lambda: stage.ticket().attempts)
        await stage.client.get_workflow_handle(question.incident).signal("resolved")
        await stage.client.get_workflow_handle(question.incident).result()


async def unexplained(client: Client) -> None:
    """No cause was found; the incident was left to humans."""
    stage = Stage(client, Script(diagnosis=Diagnosis(engine="test")), MemoryAction())
    async with stage.at_work():
        await (await stage.alert()).result()


STORIES: dict[str, Callable[[Client], Awaitable[None]]] = {
    story.__name__: story for story in (recovered, declined, undone, expired, escalated, stopped, unexplained)
}


async def record(names: list[str]) -> None:
    """Play stories on a server of their own and write the histories of their workflows."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = DevServerSettings(log=Path(folder) / "log", ui_port=None, namespaces=names)
        async with start_dev_server(find_binary(), wanted) as server:
            for name in names:
                client = await Client.connect(
                    server.address,
                    namespace=name,
                    identity="recorder",
                    data_converter=pydantic_data_converter,
                )
                await STORIES[name](client)
                await write(client, name)


async def write(client: Client, name: str) -> None:
    """Write the history of every workflow of a namespace, beside those of other stories."""
    HISTORIES.mkdir(exist_ok=True)
    async for found in client.list_workflows():
        history = await client.get_workflow_handle(found.id).fetch_history()
        events = ",\n".join(json.dumps(event) for event in json.loads(history.to_json())["events"])
        (HISTORIES / f"{name}.{found.id}.json").write_text(f'{{"events": [\n{events}\n]}}\n')


def main(*, replace: Annotated[bool, typer.Option(help="record anew what is recorded")] = False) -> None:
    """Record the histories that are not there yet."""
    known = {file.name.partition(".")[0] for file in HISTORIES.glob("*.json")}
    names = [name for name in STORIES if replace or name not in known]
    for file in HISTORIES.glob("*.json") if replace else ():
        file.unlink()
    asyncio.run(record(names))
    typer.echo(f"recorded: {', '.join(names) or 'nothing, all stories have their recording (--replace)'}")


if __name__ == "__main__":
    typer.run(main)

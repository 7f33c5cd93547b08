"""What runs: Temporal, and the door if somebody has started it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from causal.errors import Unavailable
from workers.checkup.reach import Way
from workers.checkup.report import Remark, System, doubt, well, wrong
from workers.commands.door_client import door_url
from workers.settings import Settings
from workers.temporal import how_to_connect

WITHIN = timedelta(seconds=5)
_KEYS = {RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED}


def running_systems(settings: Settings, way: Way) -> tuple[System, ...]:
    """Temporal, and the door."""
    return (
        System("temporal", lambda: temporal(settings)),
        System("door", lambda: door(settings, way), _door(settings) is not None),
    )


def temporal(settings: Settings) -> Iterator[Remark]:
    """Does the server answer, and has it the namespace? The embedded one runs only while `aitia up` does."""
    config = how_to_connect(settings)
    if "target_host" not in config:
        address = _run_file(settings).get("temporal", {}).get("address")
        if not address:
            yield well("the embedded server, started by `aitia up`")
            return
        config["target_host"] = str(address)
    where = config["target_host"]
    try:
        yield asyncio.run(_namespace(config, settings.temporal_namespace))
    except RPCError as error:
        yield _refused(where, error, settings.temporal_namespace)
    except (RuntimeError, TimeoutError) as error:  # the SDK says RuntimeError for a connection refused
        yield wrong(
            f"nothing that speaks Temporal answers at {where} ({_first_line(error)})",
            "start it, or check TEMPORAL_ADDRESS and TEMPORAL_TLS",
        )


async def _namespace(config: Any, namespace: str) -> Remark:
    async with asyncio.timeout(WITHIN.total_seconds()):
        client = await Client.connect(**config)
        request = DescribeNamespaceRequest(namespace=client.namespace or namespace)
        answer = await client.workflow_service.describe_namespace(request, timeout=WITHIN)
    days = answer.config.workflow_execution_retention_ttl.seconds / 86_400
    return well(f"{config['target_host']}, namespace {client.namespace}, histories kept {days:g} days")


def _refused(where: str, error: RPCError, namespace: str) -> Remark:
    if error.status is RPCStatusCode.NOT_FOUND:
        return wrong(
            f"{where} has no namespace {namespace}",
            f"`temporal operator namespace create --namespace {namespace}`, or set TEMPORAL_NAMESPACE",
        )
    if error.status in _KEYS:
        return wrong(
            f"{where} does not let us in ({error.message})", "check TEMPORAL_API_KEY and TEMPORAL_TLS"
        )
    return wrong(f"{where}: {error.message}", "see the server's log")


def door(settings: Settings, way: Way) -> Iterator[Remark]:
    """Does the door answer, are the agents at work, and does it know our token?"""
    url = _door(settings)
    if url is None:
        yield wrong(f"no Aitia is running in {settings.home}", "`aitia up` starts it")
        return
    yield from way.head(f"{url}/healthz")
    try:
        health = httpx.get(f"{url}/healthz", timeout=way.timeout)
        state = health.json()
    except (httpx.HTTPError, ValueError):
        yield wrong(
            f"what answers at {url} is no door of Aitia's", "check door_url, or start `aitia up` again"
        )
        return
    if not isinstance(state, dict) or "status" not in state:
        yield wrong(
            f"what answers at {url} is no door of Aitia's", "check door_url, or start `aitia up` again"
        )
    elif waiting := state.get("waiting_for"):
        yield doubt(f"no agent serves {', '.join(map(str, waiting))}", "see the log of the agents (`logs/`)")
    yield from _known(settings, url, way)
    yield well(f"{url}, all agents at work")


def _known(settings: Settings, url: str, way: Way) -> Iterator[Remark]:
    if not (settings.home / "token").exists():
        return  # nothing is made here; a door elsewhere has a token of its own
    headers = {"Authorization": f"Bearer {settings.token()}"}
    answer = httpx.get(f"{url}/api/incidents", params={"limit": 1}, headers=headers, timeout=way.timeout)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        yield wrong(
            f"the door does not know the token in {settings.home}", "copy the token of the door's home"
        )


def _door(settings: Settings) -> str | None:
    try:
        return door_url(settings)
    except Unavailable:
        return None


def _run_file(settings: Settings) -> dict[str, Any]:
    try:
        kept = json.loads((settings.home / "run.json").read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

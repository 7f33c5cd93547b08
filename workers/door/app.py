"""The door as one application: telemetry and alerts in, incidents and approvals out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from causal.errors import AitiaError, Conflict, Malformed, NotFound, Refused, TooLarge, Unavailable
from workers.door.api import Api
from workers.door.guard import Guard
from workers.door.otlp import otlp_routes
from workers.door.webhooks import CALL_GRAPH_SECONDS, Webhooks
from workers.house import House
from workers.policies import QUEUES
from workers.rolling import Rolling
from workers.temporal import connect

STATUS: tuple[tuple[type[AitiaError], int], ...] = (
    (TooLarge, 413),
    (Malformed, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Refused, 409),
    (Unavailable, 503),
)


def door(house: House) -> FastAPI:
    """Build the application; it connects to Temporal when it starts."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        house.hand_over(await connect(house.settings))
        yield

    app = FastAPI(
        title="Aitia",
        description="Finds why a running system broke, fixes it, and proves what it did.",
        version="0.1.0",
        lifespan=lifespan,
    )
    app.add_middleware(Guard, token=house.settings.token())
    app.add_exception_handler(AitiaError, _tell_error)
    settings = house.settings
    rolling = Rolling(house.telemetry, memory=CALL_GRAPH_SECONDS)
    app.include_router(Api(house.incidents, house.approvals, house.audit, house.client).router())
    app.include_router(Webhooks(house.intake, rolling, settings.body_limit).router())
    app.router.routes.extend(otlp_routes(house.telemetry, settings.body_limit, settings.inflated_limit))

    @app.get("/healthz", include_in_schema=False)
    async def health() -> JSONResponse:
        """200 once the agents are at work; 503 before, and while Temporal is away."""
        waiting = [queue for queue in QUEUES.values() if not await _polled(house.client(), queue)]
        state = {"status": "waiting" if waiting else "ready", "waiting_for": waiting}
        return JSONResponse(state, status_code=503 if waiting else 200)

    return app


async def _tell_error(_: Request, error: Exception) -> JSONResponse:
    status = next((code for kind, code in STATUS if isinstance(error, kind)), 500)
    headers = {"Retry-After": "5"} if status == 503 else {}  # noqa: PLR2004  service unavailable
    return JSONResponse({"error": str(error)}, status_code=status, headers=headers)


async def _polled(client: Client, queue: str) -> bool:
    """Whether an agent polls this task queue."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    try:
        return bool((await client.workflow_service.describe_task_queue(request)).pollers)
    except RPCError:
        return False

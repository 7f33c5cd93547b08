"""The door as one application: telemetry and alerts in, incidents and approvals out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog
from fastapi import FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from causal.errors import AitiaError, Conflict, Malformed, NotFound, Refused, TooLarge, Unavailable
from workers.door.alert_desk import AlertDesk
from workers.door.api import Api
from workers.door.approvals import ApprovalsApi
from workers.door.brakes import BrakesApi
from workers.door.callers import Callers
from workers.door.guard import Guard
from workers.door.learning import LearningApi
from workers.door.otlp import IN_THE_AIR, otlp_routes
from workers.door.otlp_grpc import Limits, otlp_grpc
from workers.door.pagerduty import PagerDutyRoutes
from workers.door.redaction import RedactionApi
from workers.door.slack import SlackRoutes
from workers.door.webhooks import CALL_GRAPH_SECONDS, Webhooks
from workers.house import House
from workers.policies import QUEUES
from workers.rolling import Rolling
from workers.slack_socket import listening
from workers.temporal import connect

log = structlog.get_logger()

STATUS: tuple[tuple[type[AitiaError], int], ...] = (
    (TooLarge, 413),
    (Malformed, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Refused, 409),
    (Unavailable, 503),
)
ANSWERS_WITHIN = timedelta(seconds=3)
BEARER = HTTPBearer(auto_error=False, description="`aitia token` prints it")


class Problem(BaseModel):
    """What was wrong, and what to do about it: the body of every answer that is not a success."""

    error: str


def door(house: House) -> FastAPI:
    """Build the application; it connects to Temporal when it starts."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        house.hand_over(await connect(house.settings))
        async with _grpc_door(house), _slack_by_socket(house):
            yield

    app = FastAPI(
        title="Aitia",
        description="Finds why a running system broke, fixes it, and proves what it did.",
        version="0.1.0",
        lifespan=lifespan,
        dependencies=[Security(BEARER)],  # for the description alone; the guard stands before every path
        responses={"default": {"model": Problem, "description": "What was wrong"}},
    )
    app.add_middleware(Guard, token=house.settings.token(), people=house.people.read)
    app.add_exception_handler(AitiaError, _tell_error)
    app.add_exception_handler(RequestValidationError, _tell_mistakes)
    app.add_exception_handler(HTTPException, _tell_http)
    app.add_exception_handler(Exception, _tell_failure)
    settings = house.settings
    rolling = Rolling(house.telemetry, memory=CALL_GRAPH_SECONDS)
    hear = house.learning_agent.hear
    callers = Callers(house.people.read)
    app.include_router(Api(house.incidents, house.audit, callers, hear).router())
    app.include_router(ApprovalsApi(house.approvals, house.answering, callers).router())
    app.include_router(BrakesApi(house.brakes, house.locks, callers).router())
    learning = LearningApi(house.priors, house.learning_agent.autonomy, callers, house.client)
    app.include_router(learning.router())
    app.include_router(RedactionApi(house.redactor).router())
    desk = AlertDesk(house.intake, rolling)
    app.include_router(Webhooks(desk, settings.body_limit).router())
    secrets = settings.pagerduty_webhook_secrets
    app.include_router(PagerDutyRoutes(house.pagerduty_door, secrets, desk.take).router())
    app.include_router(SlackRoutes(house.slack_door, settings.slack_signing_secret).router())
    app.router.routes.extend(otlp_routes(house.telemetry, settings.body_limit, settings.inflated_limit))

    @app.get("/healthz", include_in_schema=False)
    async def health() -> JSONResponse:
        """200 once the agents are at work; 503 before, and while Temporal is away."""
        queues = list(QUEUES.values())
        polled = await asyncio.gather(*(_polled(house.client(), queue) for queue in queues))
        waiting = [queue for queue, found in zip(queues, polled, strict=True) if not found]
        state = {"status": "waiting" if waiting else "ready", "waiting_for": waiting}
        return JSONResponse(state, status_code=503 if waiting else 200)

    return app


@asynccontextmanager
async def _grpc_door(house: House) -> AsyncIterator[None]:
    """OTLP over gRPC beside HTTP, where the settings give it a port."""
    settings = house.settings
    if settings.otlp_grpc_port is None:
        yield
        return
    host = f"[{settings.door_host}]" if ":" in settings.door_host else settings.door_host
    limits = Limits(settings.inflated_limit, IN_THE_AIR)
    address = f"{host}:{settings.otlp_grpc_port}"
    async with otlp_grpc(house.telemetry, settings.token(), address, limits) as port:
        log.info("OTLP over gRPC", port=port)
        yield


@asynccontextmanager
async def _slack_by_socket(house: House) -> AsyncIterator[None]:
    """People in Slack over Socket Mode, where there is an app-level token for it."""
    token = house.settings.slack_app_token
    if token is None or house.slack_door is None:
        yield
        return
    async with listening(house.slack_door, token.get_secret_value(), house.settings.slack_url):
        yield


async def _tell_error(_: Request, error: Exception) -> JSONResponse:
    status = next((code for kind, code in STATUS if isinstance(error, kind)), 500)
    headers = {"Retry-After": "5"} if status == 503 else {}  # noqa: PLR2004  service unavailable
    return _problem(str(error), status, headers)


async def _tell_mistakes(_: Request, error: Exception) -> JSONResponse:
    wrong: list[dict[str, Any]] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    unreadable = any(mistake["type"] == "json_invalid" for mistake in wrong)
    return _problem("; ".join(map(_mistake, wrong)), 400 if unreadable else 422)


def _mistake(wrong: dict[str, Any]) -> str:
    """One mistake in a request as people say it: ``limit: should be at most 1000``."""
    if wrong["type"] == "json_invalid":
        return f"the body is not JSON: {wrong['ctx']['error']} at character {wrong['loc'][-1]}"
    place = ".".join(str(part) for part in wrong["loc"][1:]) or str(wrong["loc"][0])
    return f"{place}: {wrong['msg']}"


async def _tell_http(request: Request, error: Exception) -> JSONResponse:
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    what = error.detail if isinstance(error, HTTPException) else str(error)
    return _problem(f"{request.method} {request.url.path}: {what}", status, dict(headers or {}))


async def _tell_failure(_: Request, error: Exception) -> JSONResponse:
    return _problem(f"a mistake of Aitia's own ({type(error).__name__}); the door's log has its trace", 500)


def _problem(what: str, status: int, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(Problem(error=what).model_dump(), status_code=status, headers=headers)


async def _polled(client: Client, queue: str) -> bool:
    """Whether an agent polls this task queue."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    try:
        answer = await client.workflow_service.describe_task_queue(request, timeout=ANSWERS_WITHIN)
    except RPCError:
        return False
    return bool(answer.pollers)

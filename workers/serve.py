"""The processes behind `aitia up`: the door and the agents, each on its own."""

from __future__ import annotations

import asyncio
import logging

import structlog
import uvicorn

from causal.errors import Refused
from workers.door.app import door
from workers.house import House
from workers.settings import Settings
from workers.work import ALL_QUEUES, work


def serve_door(settings: Settings) -> None:
    """Serve HTTP until SIGINT or SIGTERM."""
    log_as_json()
    application = door(House(settings))
    uvicorn.run(
        application,
        host=settings.door_host,
        port=settings.door_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
    )


def serve_agents(settings: Settings, queues: tuple[str, ...] = ()) -> None:
    """Serve task queues until SIGINT or SIGTERM."""
    if unknown := set(queues) - set(ALL_QUEUES):
        raise Refused(f"no such task queue: {', '.join(sorted(unknown))}; there are {', '.join(ALL_QUEUES)}")
    log_as_json()
    asyncio.run(work(House(settings), queues or ALL_QUEUES))


def log_as_json() -> None:
    """One JSON object a line, on stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )

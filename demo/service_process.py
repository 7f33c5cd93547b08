"""The process of one service: ``python -m demo.service_process HOME SHOP NAME PARENT``.

Customers and other services ask for ``POST /<operation>``, a Prometheus for ``GET /metrics``. What lies under
``/-/`` is for the shopkeeper, who shows the owner's token: reload the configuration, catch a fault, recover.
"""

import asyncio
import gc
import json
import os
import sys
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.calls import open_http
from demo.config_repository import ConfigRepository
from demo.errors import ShopError
from demo.faults import AILMENT
from demo.metrics_page import CONTENT_TYPE
from demo.places import ShopFolder, write_text
from demo.plan import read_plan, read_shop
from demo.processes import die_with, reserve_port
from demo.service import Service, World
from demo.serving import Server, for_bearer_of
from demo.telemetry import quiet_exporters

_BAD_REQUEST = 400
_CONFLICT = 409


def build_app(service: Service, token: str) -> Starlette:
    """The service over HTTP."""

    async def operation(request: Request) -> Response:
        try:
            body = json.loads(await request.body() or "{}")
        except ValueError:
            return JSONResponse({"error": "the body is not JSON"}, _BAD_REQUEST)
        status, reply = await service.handle(request.path_params["operation"], request.headers, body)
        return JSONResponse(reply, status)

    async def health(_: Request) -> Response:
        return JSONResponse(_state(service))

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.page(), media_type=CONTENT_TYPE)

    async def reload(_: Request) -> Response:
        try:
            await service.reload()
        except ShopError as refused:
            return JSONResponse({"error": str(refused)}, _CONFLICT)
        return JSONResponse(_state(service))

    async def catch(request: Request) -> Response:
        service.ailments.catch(AILMENT.validate_json(await request.body()))
        return JSONResponse(_state(service))

    async def recover(_: Request) -> Response:
        service.ailments.recover()
        return JSONResponse(_state(service))

    return Starlette(
        routes=[
            Route("/-/health", health),
            Route("/metrics", metrics),
            Route("/-/reload", for_bearer_of((token,), reload), methods=["POST"]),
            Route("/-/catch", for_bearer_of((token,), catch), methods=["POST"]),
            Route("/-/recover", for_bearer_of((token,), recover), methods=["POST"]),
            Route("/{operation}", operation, methods=["POST"]),
        ]
    )


def _state(service: Service) -> dict[str, object]:
    return {
        "service": service.design.name,
        "kind": service.design.kind,
        "pid": os.getpid(),
        "revision": service.running.revision,
        "pool": {
            "size": service.pool.limits.size,
            "in_use": service.pool.in_use,
            "pending": service.pool.pending,
        },
    }


async def run(folder: ShopFolder, name: str) -> None:
    """Serve until told to stop."""
    plan, topology = read_plan(folder), read_shop(folder)
    async with open_http() as http:
        service = Service(
            topology, name, World(ConfigRepository(folder.config), http, plan.ports, plan.target)
        )
        service.listen_to_logs()
        app = build_app(service, folder.owner_token.read_text(encoding="ascii"))
        server = Server(app)
        gc.freeze()  # what start-up made stays; collections look at requests only
        with reserve_port(plan.ports[name]) as port:
            await server.serve(sockets=[port])
        await service.close()


def main() -> None:
    """Start as the shopkeeper starts it."""
    home, shop, name, parent = sys.argv[1:]
    die_with(int(parent))
    quiet_exporters()
    folder = ShopFolder(Path(home), shop)
    write_text(folder.pid(name), f"{os.getpid()}\n")
    asyncio.run(run(folder, name))


if __name__ == "__main__":
    main()

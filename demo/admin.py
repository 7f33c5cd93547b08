"""The shopkeeper's process and its admin API: ``python -m demo.admin HOME SHOP``.

Two tokens. The *admin token* is what an operator (or Aitia) is given: put a configuration into effect,
restart a service, look at services and at what was done. The *owner token* is for the shop's own commands:
break, heal, truth, stop. So nobody who is asked to mend the shop can read in it what is broken.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.connections import remove_connection, write_connection
from demo.effects import Answer, Effects
from demo.errors import Refused, ShopError
from demo.faults import FAULT
from demo.forecast import forecast
from demo.places import ShopFolder, write_json, write_text
from demo.processes import LOOPBACK, reserve_port
from demo.serving import Endpoint, Server, for_bearer_of
from demo.shopkeeper import Shopkeeper

_BAD_REQUEST = 400
_FAILED = 502
_LOOK_AGAIN = 0.05
_CUSTOMERS_SECONDS = 10.0


class AdminApi:
    """What can be asked of a shopkeeper over HTTP; each method answers one path."""

    def __init__(self, keeper: Shopkeeper, effects: Effects, stop: Callable[[], None]) -> None:
        self._keeper = keeper
        self._effects = effects
        self._stop = stop

    def app(self) -> Starlette:
        """The admin API of a shop."""
        owner = self._keeper.folder.owner_token.read_text(encoding="ascii")
        admin = self._keeper.folder.admin_token.read_text(encoding="ascii")
        for_both, for_owner = (owner, admin), (owner,)
        return Starlette(
            routes=[
                _route("POST", "/reload/{service}", for_both, self.reload),
                _route("POST", "/restart/{service}", for_both, self.restart),
                _route("GET", "/services", for_both, self.services),
                _route("GET", "/effects", for_both, self.effects),
                _route("POST", "/faults", for_owner, self.break_down),
                _route("POST", "/heal", for_owner, self.heal),
                _route("GET", "/truth", for_owner, self.truth),
                _route("GET", "/status", for_owner, self.status),
                _route("POST", "/stop", for_owner, self.stop),
            ]
        )

    async def reload(self, request: Request) -> Any:
        return await self._once(request, "reload", self._keeper.reload)

    async def restart(self, request: Request) -> Any:
        return await self._once(request, "restart", self._keeper.restart)

    async def services(self, _: Request) -> Any:
        return await self._keeper.services()

    async def effects(self, _: Request) -> Any:
        return self._effects.all()

    async def break_down(self, request: Request) -> Any:
        fault = FAULT.validate_json(await request.body())
        done = await self._keeper.break_down(fault)
        return done | {"forecast": forecast(fault, self._keeper.topology)}

    async def heal(self, _: Request) -> Any:
        return {"done": await self._keeper.heal()}

    async def truth(self, _: Request) -> Any:
        return self._keeper.ledger.truth()

    async def status(self, _: Request) -> Any:
        return {
            "shop": self._keeper.topology.name,
            "services": await self._keeper.services(),
            "customers": self._keeper.fares(),
            "faults": self._keeper.ledger.truth()["root_causes"],
        }

    async def stop(self, _: Request) -> Any:
        self._stop()
        return {"stopping": True}

    async def _once(self, request: Request, action: str, do: Callable[[str], Awaitable[Answer]]) -> Answer:
        service = str(request.path_params["service"])
        key = request.headers.get("idempotency-key")
        return await self._effects.once(action, service, key, lambda: do(service))


def _route(
    method: str, path: str, tokens: tuple[str, ...], answer: Callable[[Request], Awaitable[Any]]
) -> Route:
    return Route(path, for_bearer_of(tokens, _in_json(answer)), methods=[method])


def _in_json(answer: Callable[[Request], Awaitable[Any]]) -> Endpoint:
    """The answer as JSON, and the shop's own errors as answers with their reason."""

    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(await answer(request))
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, refused.status)
        except ValidationError as invalid:
            return JSONResponse({"error": f"not a fault: {invalid}"}, _BAD_REQUEST)
        except ShopError as failed:
            return JSONResponse({"error": str(failed)}, _FAILED)

    return endpoint


async def run(folder: ShopFolder) -> None:
    """Keep the shop until told to stop."""
    keeper = Shopkeeper(folder, os.getpid())
    try:
        await keeper.open()
        with reserve_port() as port:
            url = f"http://{LOOPBACK}:{port.getsockname()[1]}"
            server = Server(AdminApi(keeper, Effects(folder.effects), lambda: server.stop()).app())  # noqa: PLW0108 -- is not yet
            serving = asyncio.create_task(server.serve(sockets=[port]))
            await _customers(keeper)
            write_connection(folder, keeper.topology.names, url)
            write_json(folder.admin, {"url": url, "pid": os.getpid()})
            await serving
    finally:
        folder.admin.unlink(missing_ok=True)
        remove_connection(folder)
        await keeper.close()


async def _customers(keeper: Shopkeeper) -> None:
    """Wait until somebody was served: only then is the shop open. A quiet shop opens after ten seconds."""
    for _ in range(int(_CUSTOMERS_SECONDS / _LOOK_AGAIN)):
        if any(fare["requests"] for fare in keeper.fares()):
            return
        await asyncio.sleep(_LOOK_AGAIN)


def main() -> None:
    """Start as ``aitia shop up`` starts it."""
    home, shop = sys.argv[1:]
    folder = ShopFolder(Path(home), shop)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    write_text(folder.pid("shopkeeper"), f"{os.getpid()}\n")
    try:
        asyncio.run(run(folder))
    except ShopError as failed:
        raise SystemExit(str(failed)) from failed
    finally:
        folder.pid("shopkeeper").unlink(missing_ok=True)


if __name__ == "__main__":
    main()

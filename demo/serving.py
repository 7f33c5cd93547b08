"""HTTP servers inside the shop: uvicorn, stopped by a signal, with time to say goodbye afterwards."""

import asyncio
import contextlib
import hmac
import signal
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Endpoint = Callable[[Request], Awaitable[Response]]

_KEEP_ALIVE = 75
_LAST_REQUESTS = 2
_FORBIDDEN = 403


class Server(uvicorn.Server):
    """A server that on a signal only stops serving; uvicorn's own would raise the signal again."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,
                log_config=None,
                lifespan="off",
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=_LAST_REQUESTS,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self.stop)
        yield

    def stop(self) -> None:
        """Stop taking requests and let ``serve`` return."""
        self.should_exit = True


def for_bearer_of(tokens: tuple[str, ...], endpoint: Endpoint) -> Endpoint:
    """The endpoint, for those who show one of these tokens."""
    wanted = [f"Bearer {token}".encode() for token in tokens]

    async def guarded(request: Request) -> Response:
        shown = request.headers.get("authorization", "").encode()
        if not any(hmac.compare_digest(shown, token) for token in wanted):
            return JSONResponse({"error": "no valid token"}, _FORBIDDEN)
        return await endpoint(request)

    return guarded

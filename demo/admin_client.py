"""The commands' side of the admin API."""

from dataclasses import dataclass
from typing import Any

import httpx

from demo.errors import NotRunning, Refused
from demo.places import ShopFolder

_SECONDS = 90
_OK = 200


@dataclass(frozen=True)
class AdminClient:
    """A shop that is up, as its owner talks to it."""

    folder: ShopFolder
    url: str

    def get(self, path: str) -> Any:
        """Ask for something; raises ``Refused`` or ``NotRunning``."""
        return self._send("GET", path)

    def post(self, path: str, *, content: str = "", key: str | None = None) -> Any:
        """Have something done; with a key it is done once however often it is asked."""
        return self._send("POST", path, content=content, headers={"Idempotency-Key": key} if key else {})

    def _send(self, method: str, path: str, content: str = "", headers: dict[str, str] | None = None) -> Any:
        token = self.folder.owner_token.read_text(encoding="ascii")
        try:
            answer = httpx.request(
                method,
                self.url + path,
                content=content,
                headers={"Authorization": f"Bearer {token}"} | (headers or {}),
                timeout=_SECONDS,
                trust_env=False,
            )
        except httpx.TransportError as broken:
            raise NotRunning(f"the shopkeeper of '{self.folder.name}' does not answer: {broken}") from broken
        if answer.status_code != _OK:
            raise Refused(str(answer.json()["error"]), status=answer.status_code)
        return answer.json()

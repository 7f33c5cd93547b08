"""How the command line speaks to a running Aitia: over the door's API, with the token of the home folder."""

from __future__ import annotations

import json
from typing import Any

import httpx

from causal.errors import AitiaError, Conflict, NotFound, Unavailable
from workers.settings import Settings, read_settings

_KINDS: dict[int, type[AitiaError]] = {404: NotFound, 409: Conflict, 503: Unavailable}


def ask_door(method: str, path: str, **parts: Any) -> Any:
    """One request to the API; gives the decoded answer, raises our own errors with the door's words."""
    settings = read_settings()
    headers = {"Authorization": f"Bearer {settings.token()}"}
    url = door_url(settings)
    try:
        answer = httpx.request(method, f"{url}/api{path}", headers=headers, timeout=30.0, **parts)
    except httpx.HTTPError as error:
        raise Unavailable(f"the door at {url} does not answer ({error}); is `aitia up` running?") from error
    if answer.is_success:
        return answer.json()
    raise _KINDS.get(answer.status_code, AitiaError)(_words(answer))


def door_url(settings: Settings) -> str:
    """The setting, else where the running Aitia of this home says that its door is."""
    if settings.door_url:
        return settings.door_url.rstrip("/")
    try:
        running = json.loads((settings.home / "run.json").read_text())
        return str(running["door"]["url"])
    except (OSError, ValueError, KeyError):
        raise Unavailable(
            f"no Aitia is running in {settings.home}: start it with `aitia up`, "
            "or say by AITIA_HOME or AITIA_DOOR_URL where it is"
        ) from None


def _words(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        return f"the door answered {answer.status_code}"
    return str(said.get("error") or said.get("detail") or said)

"""How the command line speaks to a running Aitia: over the door's API, with a token."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx

from causal.errors import AitiaError, Conflict, NotFound, Unavailable
from workers.settings import Settings, read_settings

_KINDS: dict[int, type[AitiaError]] = {404: NotFound, 409: Conflict, 503: Unavailable}


def ask_door(method: str, path: str, *, token: str | None = None, **parts: Any) -> Any:
    """One request to the API; gives the decoded answer, raises our own errors with the door's words.

    It is made with a person's own ``token``, else with that of AITIA_TOKEN, else with the door's.
    """
    settings = read_settings()
    url = door_url(settings)
    headers = {"Authorization": f"Bearer {token or os.environ.get('AITIA_TOKEN') or settings.token()}"}
    try:
        answer = httpx.request(method, f"{url}/api{path}", headers=headers, timeout=30.0, **parts)
        told = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"the door at {url} does not answer ({error}); is `aitia up` running?") from error
    except ValueError as error:
        raise Unavailable(f"what answers at {url} ({answer.status_code}) is no door of Aitia's") from error
    if answer.is_success:
        return told
    raise _KINDS.get(answer.status_code, AitiaError)(_words(told))


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


def _words(told: Any) -> str:
    return str(told["error"]) if isinstance(told, dict) and "error" in told else str(told)

"""PagerDuty over HTTP: one way to ask, with its errors in our words, and the REST API by its token.

What is rate-limited is waited for, briefly; what may help if tried again is Unavailable; what PagerDuty will
not have is Refused, with what to do about it. Source: developer.pagerduty.com, "REST API".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import SecretStr

from causal.errors import NotFound, Refused, Unavailable
from playbooks.remedy import Duration, Written

PATIENCE, TRIES = 5.0, 3
_ALREADY = {1001, 1002}  # already resolved, already acknowledged

_WHAT_TO_DO = {
    HTTPStatus.UNAUTHORIZED: "the REST token is not known; make one under Integrations, API Access Keys",
    HTTPStatus.PAYMENT_REQUIRED: "the account's plan does not include this",
    HTTPStatus.FORBIDDEN: "the token may not do this; give it write access to incidents",
}

Answer = Mapping[str, Any]


class RestSettings(Written):
    """As whom to speak to the REST API; the address is PagerDuty's own, or the EU's."""

    token: SecretStr
    from_email: str = ""
    url: str = "https://api.pagerduty.com"
    timeout: Duration = 10.0


@dataclass(frozen=True)
class PagerDutyRest:
    """The REST API; waits for a rate limit at most ``PATIENCE`` seconds at a time, by ``pause``."""

    settings: RestSettings
    pause: Callable[[float], None] = time.sleep

    def ask(self, method: str, path: str, body: Answer | None = None) -> Answer:
        """Call the API as whoever the token is of."""
        headers = {
            "Accept": "application/vnd.pagerduty+json;version=2",
            "Authorization": f"Token token={self.settings.token.get_secret_value()}",
        }
        if self.settings.from_email:
            headers["From"] = self.settings.from_email
        settings = self.settings
        return asked(method, settings.url + path, body, headers, timeout=settings.timeout, pause=self.pause)

    def email_of(self, user: str) -> str:
        """Return the e-mail address of a user; NotFound where there is no such user."""
        if not user.isalnum():
            raise NotFound(f"PagerDuty has no user {user}")
        told = self.ask("GET", f"/users/{user}").get("user")
        return str(told.get("email", "")) if isinstance(told, Mapping) else ""

    def write_note(self, incident: str, content: str) -> str:
        """Write a note on an incident; gives the note's id."""
        note = self.ask("POST", f"/incidents/{incident}/notes", {"note": {"content": content}}).get("note")
        return str(note.get("id", "")) if isinstance(note, Mapping) else "note"


def asked(
    method: str,
    url: str,
    body: Answer | None,
    headers: Mapping[str, str],
    *,
    timeout: float,
    pause: Callable[[float], None],
) -> Answer:
    """Ask PagerDuty; Refused, NotFound or Unavailable where the answer is none."""
    for last in _tries():
        try:
            answer = httpx.request(method, url, json=body, headers=headers, timeout=timeout)
        except httpx.HTTPError as error:
            raise Unavailable(f"PagerDuty gave no answer ({type(error).__name__}); try again") from error
        if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
            return _understood(answer)
        wait = _retry_after(answer)
        if last or wait > PATIENCE:
            raise Unavailable(f"PagerDuty is rate-limited; try again in {wait:g} s")
        pause(wait)
    raise AssertionError  # the last try returns or raises


def _tries() -> Iterator[bool]:
    """Whether each try is the last."""
    yield from (number == TRIES for number in range(1, TRIES + 1))


def _understood(answer: httpx.Response) -> Mapping[str, Any]:
    body = _json(answer)
    if answer.is_success:
        return body
    error = body.get("error")
    code = error.get("code") if isinstance(error, Mapping) else None
    if code in _ALREADY:
        return body
    said = _said(body)
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unavailable(f"PagerDuty failed (HTTP {answer.status_code}); try again")
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise NotFound(f"PagerDuty: {said}")
    advice = _WHAT_TO_DO.get(HTTPStatus(answer.status_code), "see this error in PagerDuty's documentation")
    raise Refused(f"PagerDuty refused it (HTTP {answer.status_code}): {said}; {advice}")


def _said(body: Mapping[str, Any]) -> str:
    """What the two APIs say in an error's body, each in its own form."""
    error = body.get("error")
    told = error if isinstance(error, Mapping) else body
    errors = told.get("errors")
    words = [str(told.get("message", "no message")), *(map(str, errors) if isinstance(errors, list) else ())]
    return ": ".join(words)[:500]


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, Mapping) else {}


def _retry_after(answer: httpx.Response) -> float:
    for name in ("retry-after", "ratelimit-reset"):
        try:
            return max(0.0, float(answer.headers[name]))
        except (KeyError, ValueError):
            continue
    return PATIENCE

"""A storm of alerts at the door: ``python -m benchmarks.storm``.

As many alerts as are asked for, each with a fingerprint of its own, over the services of a few systems that
call each other; sent as Alertmanager sends them, and sent again where the door says 503. Told are how long
they took, how many incidents they made, how long an answer took, and how many were lost (none may be): an
alert is lost that stands in no incident in the store.
"""

import asyncio
import json
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from benchmarks.running import RunningAitia, chain, percentiles, running_aitia

SERVICES_OF_A_SYSTEM = 8
_UNAVAILABLE = 503
_PAUSE_SECONDS, _LONGEST_PAUSE = 0.2, 3.0
_NEVER = 10**8


@dataclass
class Weather:
    """What was seen of the answers."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


def main(
    *,
    alerts: Annotated[int, typer.Option(min=1, help="how many alerts")] = 1000,
    together: Annotated[int, typer.Option(min=1, help="alerts in one notification")] = 1,
    at_once: Annotated[int, typer.Option(min=1, help="notifications on their way at one time")] = 50,
    systems: Annotated[int, typer.Option(min=1, help="systems, of eight services each")] = 3,
) -> None:
    """Send a storm of alerts to an Aitia of its own and print what became of it."""
    with tempfile.TemporaryDirectory(prefix="aitia-storm-") as folder:
        home = Path(folder)
        with running_aitia(home, {"watch_every": _NEVER}) as here:
            names = [name for number in range(systems) for name in _services(number)]
            with _failing(here, systems):
                sent = [_alert(number, names[number % len(names)], time.time()) for number in range(alerts)]
                began = time.monotonic()
                weather = asyncio.run(_storm(here, sent, together, at_once))
                took = time.monotonic() - began
            asked = {"seconds": round(took, 2), "per_notification": together, "at_once": at_once}
            print(json.dumps(_report(home, sent, weather) | asked))


@contextmanager
def _failing(here: RunningAitia, systems: int) -> Iterator[None]:
    """Traffic of all systems, well for a minute and failing from then on, until the block ends."""
    stop, began = threading.Event(), time.time()
    for number in range(systems):
        here.send(chain(_services(number), began - 60, began, every=0.5))

    def send_on() -> None:
        since = began
        while not stop.wait(1.0):
            until = time.time()
            for number in range(systems):
                here.send(chain(names := _services(number), since, until, every=0.2, failing=names[-1]))
            since = until

    sender = threading.Thread(target=send_on)
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join()


def _report(home: Path, sent: list[dict[str, Any]], weather: Weather) -> dict[str, Any]:
    kept = _kept(home)
    return {
        "alerts": len(sent),
        "incidents": len(set(kept.values())),
        "lost": len({alert["fingerprint"] for alert in sent} - kept.keys()),
        "answers": dict(weather.statuses),
        "answer_seconds": percentiles(weather.seconds),
    }


async def _storm(here: RunningAitia, sent: list[dict[str, Any]], together: int, at_once: int) -> Weather:
    weather, room = Weather(), asyncio.Semaphore(at_once)
    limits = httpx.Limits(max_connections=at_once)
    async with httpx.AsyncClient(base_url=here.url, headers=here.headers, timeout=120, limits=limits) as http:
        groups = [sent[at : at + together] for at in range(0, len(sent), together)]
        await asyncio.gather(*(_notify(http, group, room, weather) for group in groups))
    return weather


async def _notify(
    http: httpx.AsyncClient, group: list[dict[str, Any]], room: asyncio.Semaphore, weather: Weather
) -> None:
    """Send a notification until it is taken, as Alertmanager does: again on 5xx, never on 4xx."""
    pause = _PAUSE_SECONDS
    body = {"version": "4", "groupKey": "{}", "status": "firing", "alerts": group}
    while True:
        async with room:
            began = time.monotonic()
            answer = await http.post("/webhooks/alertmanager", json=body)
            weather.seconds.append(time.monotonic() - began)
        weather.statuses[answer.status_code] += 1
        if answer.status_code != _UNAVAILABLE:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _services(system: int) -> list[str]:
    return [f"system{system}-service{number}" for number in range(SERVICES_OF_A_SYSTEM)]


def _alert(number: int, service: str, at: float) -> dict[str, Any]:
    return {
        "status": "firing",
        "fingerprint": f"{number:016x}",
        "labels": {"alertname": f"RequestsFail{number}", "service": service, "severity": "page"},
        "annotations": {"summary": f"{service} answers 12% of its requests with an error"},
        "startsAt": datetime.fromtimestamp(at, UTC).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
    }


def _kept(home: Path) -> dict[str, str]:
    """The incident of each alert in the store, by fingerprint."""
    with sqlite3.connect(home / "aitia.db") as database:
        return dict(database.execute("SELECT fingerprint, incident FROM incident_alert"))


if __name__ == "__main__":
    typer.run(main)

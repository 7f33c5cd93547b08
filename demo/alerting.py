"""A real Prometheus that scrapes a shop, and a real Alertmanager that calls a webhook: started, and stopped.

The rules are such as any team has: requests fail, requests are slow, a service is down. Nothing here knows
what will be broken.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from demo.errors import DidNotStart
from demo.places import write_json, write_text
from integrations.leash import leashed

_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_LOOK_AGAIN = 0.05
_LISTENS = re.compile(r'msg="Listening on" address=(127\.0\.0\.1:\d+)')


@dataclass(frozen=True)
class Programs:
    """Where the two programs are."""

    prometheus: str
    alertmanager: str


@dataclass(frozen=True)
class Pace:
    """How fast trouble becomes an alert, and an alert a call; all in seconds."""

    scrape: float = 2.0
    window: float = 15.0
    hold: float = 4.0
    group_wait: float = 2.0
    group_interval: float = 5.0


@dataclass(frozen=True)
class Alerting:
    """A Prometheus and an Alertmanager that run."""

    prometheus: str
    alertmanager: str

    def value_of(self, query: str) -> float | None:
        """The value of a query just now; None where there is none."""
        found = self._get(f"{self.prometheus}/api/v1/query", {"query": query})["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> dict[str, str]:
        """The alerts that Alertmanager holds as active: summaries by name and service."""
        alerts = self._get(f"{self.alertmanager}/api/v2/alerts", {"active": "true"})
        return {
            f"{alert['labels']['alertname']} {alert['labels']['service']}": alert["annotations"]["summary"]
            for alert in alerts
        }

    def _get(self, url: str, query: Mapping[str, str]) -> Any:
        answer = httpx.get(url, params=dict(query), timeout=10)
        answer.raise_for_status()
        return answer.json()


def find_programs() -> Programs:
    """The programs on PATH or in the cache folder; raises ``DidNotStart`` and says how to come by them."""
    prometheus = _program("prometheus")
    alertmanager = _program("prometheus-alertmanager", "alertmanager")
    if prometheus is None or alertmanager is None:
        raise DidNotStart(
            "there is no Prometheus or no Alertmanager here: run tools/prometheus, or install them"
        )
    return Programs(prometheus, alertmanager)


def targets_of(services: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A shop's services as Prometheus' file-based service discovery wants them."""
    return [
        {"targets": [urlsplit(seen["url"]).netloc], "labels": {"service": seen["service"]}}
        for seen in services
    ]


@contextmanager
def alerting(
    folder: Path, targets: list[dict[str, Any]], webhook: str, token_file: Path, pace: Pace | None = None
) -> Iterator[Alerting]:
    """Run both for as long as the block lasts; the webhook gets the bearer token that the file holds."""
    programs, pace = find_programs(), pace or Pace()
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "alertmanager.yml", _alertmanager_settings(webhook, token_file, pace))
    storage = f"--storage.path={folder / 'alertmanager'}"
    with _running(programs.alertmanager, folder, storage, "--cluster.listen-address=") as alertmanager:
        write_json(folder / "targets.json", targets)
        write_text(folder / "rules.yml", rules(pace))
        write_text(folder / "prometheus.yml", _prometheus_settings(urlsplit(alertmanager).netloc, pace))
        storage = f"--storage.tsdb.path={folder / 'prometheus'}"
        with _running(programs.prometheus, folder, storage) as prometheus:
            yield Alerting(prometheus, alertmanager)


def rules(pace: Pace) -> str:
    """The rules that fire."""
    requests, window = "http_requests_total", _seconds(pace.window)
    failing = f'sum by (service) (rate({requests}{{status=~"5.."}}[{window}]))'
    slow = f"sum by (service, le) (rate(http_request_duration_seconds_bucket[{window}]))"
    told = [
        (
            "RequestsFail",
            f"{failing} / sum by (service) (rate({requests}[{window}])) > 0.1",
            "{{ $labels.service }} answers {{ $value | humanizePercentage }} of its requests with an error",
        ),
        (
            "RequestsSlow",
            f"histogram_quantile(0.9, {slow}) > 2",
            "one in ten requests to {{ $labels.service }} takes over {{ $value | humanizeDuration }}",
        ),
        ("ServiceDown", "up == 0", "{{ $labels.service }} is down"),
    ]
    return json.dumps(
        {"groups": [{"name": "shop", "rules": [_rule(*rule, hold=pace.hold) for rule in told]}]}, indent=1
    )


def _rule(name: str, when: str, says: str, *, hold: float) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": when,
        "for": _seconds(hold),
        "labels": {"severity": "page"},
        "annotations": {"summary": says},
    }


def _prometheus_settings(alertmanager: str, pace: Pace) -> str:
    every = _seconds(pace.scrape)
    return json.dumps(
        {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "shop", "file_sd_configs": [{"files": ["targets.json"]}]}],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        },
        indent=1,
    )


def _alertmanager_settings(webhook: str, token_file: Path, pace: Pace) -> str:
    route = {
        "receiver": "aitia",
        "group_by": ["alertname"],
        "group_wait": _seconds(pace.group_wait),
        "group_interval": _seconds(pace.group_interval),
        "repeat_interval": "4h",
    }
    bearer = {"authorization": {"credentials_file": str(token_file)}}
    receiver = {"name": "aitia", "webhook_configs": [{"url": webhook, "http_config": bearer}]}
    return json.dumps({"route": route, "receivers": [receiver]}, indent=1)


def _seconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _program(*names: str) -> str | None:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if cache.startswith("/") else Path.home() / ".cache"
    places = (*names, *(str(base / "aitia" / "prometheus" / "bin" / name) for name in names))
    return next(filter(None, map(shutil.which, places)), None)


@contextmanager
def _running(program: str, folder: Path, *arguments: str) -> Iterator[str]:
    """Run a program on a free port; gives its address."""
    name = Path(program).name.removeprefix("prometheus-")
    log, settings = folder / f"{name}.log", folder / f"{name}.yml"
    words = [program, f"--config.file={settings}", "--web.listen-address=127.0.0.1:0", *arguments]
    with log.open("wb") as out:
        process = subprocess.Popen(
            leashed(words), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where a program says that it listens, once it also answers."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if (said := _LISTENS.search(log.read_text(errors="replace"))) and _ready(url := f"http://{said[1]}"):
            return url
        time.sleep(_LOOK_AGAIN)
    raise DidNotStart(f"it did not start; see {log}:\n{log.read_text(errors='replace')[-1500:]}")


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=2).is_success
    except httpx.TransportError:
        return False

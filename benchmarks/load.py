"""What the doors can take: ``python -m benchmarks.load spans`` and ``python -m benchmarks.load incidents``.

*Spans*: the same batches through the real OTLP doors (HTTP with protobuf, with gzip, and gRPC), each call
answered only when the rows are on disk; beside them what decoding alone would allow. Per core means: by the
processor time that the door's process used, whatever else the machine did meanwhile.

*Incidents*: so many systems of their own break, each raises one alert, all at one time; told is how long it
takes from an alert to its ticket with a verdict.
"""

import gzip
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import grpc
import httpx
import typer

from benchmarks.running import RunningAitia, chain, percentiles, running_aitia, wait_for
from integrations.otlp import decode_traces

app = typer.Typer(help="Measure the doors of a running Aitia.", no_args_is_help=True)

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
_NEVER = 10**8
_SENDERS = 4
_TICK = os.sysconf("SC_CLK_TCK")
Send = Callable[[bytes], object]


@app.command()
def spans(
    *,
    seconds: Annotated[float, typer.Option(min=1, help="how long each door is measured")] = 10.0,
    batch: Annotated[int, typer.Option(min=100, help="spans of one request, about")] = 5000,
) -> None:
    """Spans per second and core through each door, beside decoding alone."""
    services = [f"service{number}" for number in range(10)]
    requests = batch // (2 * len(services) - 1)
    bodies = [
        chain(services, at, at + requests * 0.01, every=0.01).SerializeToString()
        for at in (time.time() - 30 + number for number in range(8))
    ]
    count = decode_traces(bodies[0], "protobuf").rows.rows
    _tell("decoding alone", *_decoding(bodies, count, seconds))
    with _aitia({"watch_every": _NEVER, "otlp_grpc_port": 0}) as here:
        for name, door, body in _doors(here):
            with door as send:
                _tell(name, *_through(here, send, [body(plain) for plain in bodies], count, seconds))


@app.command()
def incidents(
    *,
    count: Annotated[int, typer.Option("--count", min=1, help="how many at once")] = 200,
    patience: Annotated[float, typer.Option(help="seconds to wait for the last ticket")] = 900.0,
) -> None:
    """From alert to ticket, many at once."""
    with _aitia({"watch_every": _NEVER}) as here:
        now = time.time()
        for number in range(count):
            names = _system(number)
            here.send(chain(names, now - 90, now - 20, every=0.25))
            here.send(chain(names, now - 20, now, every=0.25, failing=names[-1]))
        began = time.time()
        _raise(here, [_alert(number, now - 15) for number in range(count)])
        taken = time.time() - began
        tickets = wait_for(lambda: _all_told(here, count), "the last ticket", seconds=patience)
    took = [_told_at(ticket) - began for ticket in tickets]
    right = sum(_blamed(ticket) == _system_of(ticket)[-1] for ticket in tickets)
    report = {"incidents": len(tickets), "alerts_taken_seconds": round(taken, 2), "blamed_rightly": right}
    print(json.dumps(report | {"alert_to_ticket_seconds": percentiles(took)}))


@contextmanager
def _aitia(settings: dict[str, Any]) -> Iterator[RunningAitia]:
    with (
        tempfile.TemporaryDirectory(prefix="aitia-load-") as folder,
        running_aitia(Path(folder), settings) as here,
    ):
        yield here


def _tell(name: str, per_second: float, per_core: float) -> None:
    print(f"{name:24} {per_second:10,.0f} spans/s  {per_core:10,.0f} spans/s and core", flush=True)


def _decoding(bodies: list[bytes], count: int, seconds: float) -> tuple[float, float]:
    """How many spans one core decodes in a second, and nothing else."""
    began, used, done = time.monotonic(), time.process_time(), 0
    while time.monotonic() - began < seconds:
        decode_traces(bodies[done % len(bodies)], "protobuf")
        done += 1
    spans_done = done * count
    return spans_done / (time.monotonic() - began), spans_done / (time.process_time() - used)


def _through(
    here: RunningAitia, send: Send, bodies: list[bytes], count: int, seconds: float
) -> tuple[float, float]:
    """Send from a few threads for a while; what the door's process used of the processor is the cost."""
    deadline, pid = time.monotonic() + seconds, int(here.run["door"]["pid"])
    began, used = time.monotonic(), _processor_seconds(pid)

    def send_on(sender: int) -> int:
        done = 0
        while time.monotonic() < deadline:
            send(bodies[(sender + done) % len(bodies)])
            done += 1
        return done

    with ThreadPoolExecutor(_SENDERS) as threads:
        spans_done = count * sum(threads.map(send_on, range(_SENDERS)))
    return spans_done / (time.monotonic() - began), spans_done / (_processor_seconds(pid) - used)


def _doors(here: RunningAitia) -> Iterator[tuple[str, Any, Callable[[bytes], bytes]]]:
    yield "HTTP, protobuf", _http(here, {}), lambda plain: plain
    yield "HTTP, protobuf, gzip", _http(here, {"Content-Encoding": "gzip"}), gzip.compress
    yield "gRPC", _grpc(here), lambda plain: plain


@contextmanager
def _http(here: RunningAitia, more: dict[str, str]) -> Iterator[Send]:
    headers = {**here.headers, **PROTOBUF, **more}
    with httpx.Client(base_url=here.url, headers=headers, timeout=60) as http:
        yield lambda body: http.post("/v1/traces", content=body).raise_for_status()


@contextmanager
def _grpc(here: RunningAitia) -> Iterator[Send]:
    token = [("authorization", here.headers["Authorization"])]
    with grpc.insecure_channel(here.run["door"]["otlp_grpc"]) as channel:
        call: Callable[..., bytes] = channel.unary_unary(TRACES, bytes, bytes)
        yield lambda body: call(body, timeout=60, metadata=token)


def _processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / _TICK


def _system(number: int) -> list[str]:
    return [f"s{number}-{name}" for name in ("gateway", "cart", "store")]


def _system_of(ticket: dict[str, Any]) -> list[str]:
    return _system(int(ticket["alert"]["labels"]["system_number"]))


def _alert(number: int, at: float) -> dict[str, Any]:
    service = _system(number)[0]
    labels = {"alertname": "RequestsFail", "service": service, "system_number": str(number)}
    return {
        "status": "firing",
        "fingerprint": f"{number:08x}",
        "labels": labels,
        "annotations": {"summary": f"{service} answers half of its requests with an error"},
        "startsAt": datetime.fromtimestamp(at, UTC).isoformat(),
    }


def _raise(here: RunningAitia, alerts: list[dict[str, Any]]) -> None:
    body = {"version": "4", "groupKey": "{}", "status": "firing", "alerts": alerts}
    url = f"{here.url}/webhooks/alertmanager"
    httpx.post(url, json=body, headers=here.headers, timeout=300).raise_for_status()


def _all_told(here: RunningAitia, count: int) -> list[dict[str, Any]]:
    """All tickets, once each has its verdict."""
    time.sleep(1.0)  # asking costs what is being measured
    tickets: list[dict[str, Any]] = here.get("/api/incidents", limit=1000)
    return tickets if sum(ticket["diagnosis"] is not None for ticket in tickets) >= count else []


def _told_at(ticket: dict[str, Any]) -> float:
    """When the ticket first had a verdict: what is said next after the telemetry was kept."""
    said = [line for line in ticket["timeline"] if not line["says"].startswith(("alert:", "telemetry kept"))]
    return float(said[0]["at"])


def _blamed(ticket: dict[str, Any]) -> str | None:
    return ticket["hypotheses"][0]["service"] if ticket["hypotheses"] else None


if __name__ == "__main__":
    app()

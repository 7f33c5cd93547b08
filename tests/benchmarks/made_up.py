"""Small made-up cases, verdicts and grades."""

import json
from collections.abc import Iterable
from pathlib import Path

from benchmarks.grade import Grade, Guess
from benchmarks.readers.rows import Row, batch, telemetry
from benchmarks.truth import Cause
from causal.evidence import Alert, Diagnosis, Entity, Fault, Hypothesis, Window
from causal.telemetry import Telemetry

ALERT = {
    "case_id": "case_001",
    "system": "shop",
    "fault_start_unix": 1000,
    "alert_time_unix": 1010,
    "baseline": [900, 995],
    "incident": [1000, 1030],
    "symptom": {"service": "jade", "signal": "latency", "operation": None},
}
QUIET, UNWELL = Window(start=900, end=995), Window(start=1000, end=1030)


def case_folder(
    root: Path, name: str, service: str = "onyx", pod: str | None = None, indicator: str | None = None
) -> Path:
    """A case without telemetry whose cause is a service."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "alert.json").write_text(json.dumps(ALERT | {"case_id": folder.name}))
    cause = {"service": service, "pod": pod, "fault": "latency", "indicator": indicator}
    (folder / "truth.json").write_text(json.dumps({"root_causes": [cause], "source": "made up"}))
    return folder


def verdict(*services: str) -> Diagnosis:
    """A verdict that names these services, with 0.6, 0.3 and so on."""
    return Diagnosis(
        engine="test",
        hypotheses=tuple(
            Hypothesis(
                service=name,
                entity=Entity.of_service(name),
                fault=Fault.LATENCY,
                probability=0.6 / 2**place,
                raw_probability=0.6 / 2**place,
            )
            for place, name in enumerate(services)
        ),
    )


def grade(
    probability: float,
    *,
    right: bool,
    case: str = "case_001",
    fault: str = "latency",
    set_name: str = "set",
    problem: str = "",
) -> Grade:
    """One case with one guess."""
    guess = Guess(
        service="onyx" if right else "jade", fault=Fault.LATENCY, probability=probability, right=right
    )
    return Grade(
        case=case,
        set_name=set_name,
        causes=(Cause(service="onyx", fault=fault),),
        guesses=() if problem else (guess,),
        seconds=1.0,
        problem=problem,
    )


def span(  # noqa: PLR0917  a span has as many sides
    trace: str,
    identity: str,
    parent: str | None,
    service: str,
    start: float,
    lasted: float,
    *,
    kind: str = "server",
) -> Row:
    """A span that starts and lasts so many seconds."""
    return {
        "trace_id": trace,
        "span_id": identity,
        "parent_span_id": parent,
        "service": service,
        "operation": "get",
        "kind": kind,
        "start_unix_ns": round(start * 1e9),
        "duration_ns": round(lasted * 1e9),
        "status": "unset",
    }


def sample(service: str, metric: str, at: float, value: float) -> Row:
    return {"time_unix": at, "service": service, "metric": metric, "value": value}


def line(service: str, at: float, body: str) -> Row:
    return {"time_unix_ns": round(at * 1e9), "service": service, "severity": "info", "body": body}


def incident(
    traces: Iterable[Row] = (), metrics: Iterable[Row] = (), logs: Iterable[Row] = ()
) -> tuple[Alert, Telemetry]:
    """An incident from 1000 to 1030 after quiet time from 900 to 995."""
    alert = Alert(fingerprint="made up", raised_at=1010.0, began_at=1000.0)
    return alert, telemetry(batch(traces, metrics, logs), baseline=QUIET, incident=UNWELL)

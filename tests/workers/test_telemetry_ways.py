"""The ways by which telemetry gets into a whole Aitia: over gRPC, and from where others keep it; redacted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from causal.evidence import Window
from integrations.telemetry_store import DiskTelemetryStore
from tests.doubles.telemetry_backends import JaegerDouble, span
from tests.doubles.telemetry_backends import running as serving
from tests.workers.running import RunningAitia, running, traffic, wait_for

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
MAIL = "ada.lovelace@example.org"


@dataclass(frozen=True)
class Wired:
    """An Aitia with a door for gRPC and a Jaeger to read from."""

    aitia: RunningAitia
    began: float

    def operations(self, service: str) -> set[str]:
        """What a service's spans in the store are called."""
        store = DiskTelemetryStore(self.aitia.home / "telemetry", keep_free=0)
        rows = store.tables(Window(start=self.began - 600, end=time.time())).traces.to_pylist()
        return {row["operation"] for row in rows if row["service"] == service}


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    home: Path = tmp_path_factory.mktemp("wired")
    began = time.time()
    jaeger = JaegerDouble(spans=[span(1, 1, "kept-elsewhere", began - 120)])
    with serving(jaeger) as url:
        (home / "settings.yaml").write_text("otlp_grpc_port: 0\nwatch_every: 1\n")
        (home / "sources.yaml").write_text(f"jaeger:\n  traces: {{url: '{url}'}}\n")
        with running(home) as here:
            yield Wired(here, began)


@pytest.fixture(scope="module")
def sent(wired: Wired) -> Wired:
    """The same, and spans whose names hold a mail address were sent over gRPC."""
    request = traffic(wired.began - 2, wired.began - 1, cart_fails=False)
    for resource in request.resource_spans:
        for each in resource.scope_spans[0].spans:
            each.name = f"mail to {MAIL}"
    token = (wired.aitia.home / "token").read_text().strip()
    metadata = (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(wired.aitia.run["door"]["otlp_grpc"]) as channel:
        call: Callable[..., bytes] = channel.unary_unary(TRACES, bytes, bytes)
        call(request.SerializeToString(), timeout=30, metadata=metadata)
    return wired


def test_what_came_over_grpc_is_in_the_store(sent: Wired) -> None:
    assert sent.operations("cart")


def test_what_came_over_grpc_was_redacted_before(sent: Wired) -> None:
    assert not any(MAIL in operation for operation in sent.operations("cart"))


def test_what_was_redacted_is_counted(sent: Wired) -> None:
    assert sent.aitia.get("/api/redaction")["counts"]["personal"] >= 1


def test_what_others_keep_is_copied_by_itself(wired: Wired) -> None:
    assert wait_for(lambda: wired.operations("kept-elsewhere"), "the copy")

"""Dependencies that tell nothing of themselves get a name, a time and failures of their own."""

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from causal.diagnose import diagnose
from causal.telemetry import Batch, Column, SpanKind, Spans, Telemetry
from causal.unmeasured import completed
from tests.causal.worlds import COLLIDER, Ill, World, alert

HIDDEN = "stock"


def unseen(ills: Mapping[str, Ill], address: str | None = "stock-db.internal:5432") -> Telemetry:
    """A world in which `stock` sends nothing: only those who call it tell of it, by its address."""
    telemetry = World(COLLIDER).telemetry(ills)
    return replace(
        telemetry,
        quiet=Batch(_hidden(telemetry.quiet.spans, address), telemetry.quiet.metrics, telemetry.quiet.logs),
        incident=Batch(
            _hidden(telemetry.incident.spans, address), telemetry.incident.metrics, telemetry.incident.logs
        ),
    )


def _hidden(spans: Spans, address: str | None) -> Spans:
    kept = spans.take(spans.service.codes != spans.service.code(HIDDEN))
    to_it = kept.operation.codes == kept.operation.code(f"call {HIDDEN}")
    attributes = () if address is None else (json.dumps({"server.address": address}),)
    codes = np.where(to_it & bool(attributes), 0, -1).astype(np.int32)
    return replace(kept, attributes=Column(codes, attributes))


def test_a_slow_database_without_telemetry_is_named_by_its_address() -> None:
    first = diagnose(alert(), unseen({HIDDEN: Ill(slow=0.3)})).first
    assert first is not None
    assert first.service == "stock-db.internal:5432"


def test_a_failing_database_without_telemetry_is_named_by_its_address() -> None:
    first = diagnose(alert(signal="errors"), unseen({HIDDEN: Ill(fails=0.6)})).first
    assert first is not None
    assert first.service == "stock-db.internal:5432"


def test_a_slow_caller_is_not_its_databases_fault() -> None:
    first = diagnose(alert(), unseen({"basket": Ill(slow=0.3)})).first
    assert first is not None
    assert first.service == "basket"


def test_calls_that_name_nobody_make_nobody_up() -> None:
    spans = unseen({}, address=None).quiet.spans
    whole, _ = completed(spans, np.zeros(len(spans), dtype=np.bool_))
    assert whole is spans


def test_a_measured_service_is_never_made_up() -> None:
    spans = unseen({}, address="basket.shop.svc:8080").quiet.spans
    whole, _ = completed(spans, np.zeros(len(spans), dtype=np.bool_))
    assert whole is spans


def test_every_call_to_it_gets_one_answer_as_long_as_itself() -> None:
    spans = unseen({}).quiet.spans
    whole, _ = completed(spans, np.zeros(len(spans), dtype=np.bool_))
    calls = spans.take(spans.operation.codes == spans.operation.code(f"call {HIDDEN}"))
    ends = whole.take(np.arange(len(spans), len(whole)))
    assert ends.duration_ns.tolist() == calls.duration_ns.tolist()


def test_a_message_that_a_full_queue_does_not_take_is_the_consumers_doing() -> None:
    played = World(COLLIDER).telemetry({"stock": Ill(deaf=0.3)})
    first = diagnose(
        alert(), replace(played, quiet=_queued(played.quiet), incident=_queued(played.incident))
    ).first
    assert first is not None
    assert first.service == "stock"


def _queued(batch: Batch) -> Batch:
    """The same calls to stock as messages: producers ask, a consumer answers."""
    spans = batch.spans
    stock = spans.service.codes == spans.service.code("stock")
    entry = stock & (spans.kind == SpanKind.SERVER)
    asking = spans.operation.codes == spans.operation.code("call stock")
    kind = np.where(entry, SpanKind.CONSUMER, np.where(asking, SpanKind.PRODUCER, spans.kind)).astype(np.int8)
    return Batch(replace(spans, kind=kind), batch.metrics, batch.logs)

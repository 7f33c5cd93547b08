"""Log lines in the requests in which they were written, and what they say about whom."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from causal import quiet
from causal.diagnose import diagnose, look
from causal.evidence import Anomaly
from causal.telemetry import Batch, Column, Logs, Past, SpanKind, Telemetry
from causal.units import units
from causal.view import View, behold
from tests.causal.worlds import CHAIN, FORK, QUIET, T0, Ill, Row, World, alert, telemetry

Says = Callable[[Row], Sequence[str]]
SHOP = World(CHAIN, noise=0.01)


def usual(row: Row) -> Sequence[str]:
    return ["request read", f"request answered in {int(row.seconds * 1e3)} ms"]


def late(row: Row) -> bool:
    return row.start >= T0 + QUIET


def logs(rows: Sequence[Row], says: Says) -> Logs:
    """What the server spans of these rows log, a little after each has begun."""
    told = [
        (row.start + 0.1 * row.seconds, row, text)
        for row in rows
        if row.kind == SpanKind.SERVER
        for text in says(row)
    ]
    return Logs(
        time_ns=np.array([int(at * 1e9) for at, _, _ in told], dtype=np.int64),
        service=Column.of(row.service for _, row, _ in told),
        instance=Column.of(None for _ in told),
        severity=Column.of("info" for _ in told),
        trace=Column.of(row.trace for _, row, _ in told),
        body=Column.of(text for _, _, text in told),
    )


def with_logs(rows: Sequence[Row], says: Says) -> Telemetry:
    told, of = telemetry(rows), logs(rows, says)
    split = of.time_ns >= int((T0 + QUIET) * 1e9)
    return replace(
        told,
        quiet=replace(told.quiet, logs=of.take(~split)),
        incident=replace(told.incident, logs=of.take(split)),
    )


def seen(says: Says, ills: Mapping[str, Ill] | None = None) -> Telemetry:
    return with_logs(SHOP.rows(ills or {}), says)


def spoke(told: Telemetry, signal: str) -> dict[str, Anomaly]:
    return {a.entity.service: a for a in look(behold(alert(), told)) if a.signal == signal}


def view_of(rows: Sequence[Row], says: Says) -> View:
    return behold(alert(), with_logs(rows, says))


def test_an_exception_that_only_a_log_shows_accuses_its_service() -> None:
    def says(row: Row) -> Sequence[str]:
        return [*usual(row), *(["card reader lost: IOError"] if row.service == "till" and late(row) else [])]

    verdict = diagnose(alert(signal="unknown"), seen(says))
    assert [h.service for h in verdict.hypotheses[:1]] == ["till"]


def test_a_line_that_requests_no_longer_write_accuses_its_service() -> None:
    def says(row: Row) -> Sequence[str]:
        return usual(row)[:1] if row.service == "basket" and late(row) else usual(row)

    assert set(spoke(seen(says), "logs")) == {"basket"}


def test_a_request_that_falls_silent_counts_as_one_without_its_lines() -> None:
    def says(row: Row) -> Sequence[str]:
        silent = row.service == "basket" and late(row) and int(row.trace.split("-")[1]) % 2
        return [] if silent else usual(row)

    assert set(spoke(seen(says), "logs")) == {"basket"}


def test_a_service_whose_log_is_lost_altogether_is_not_accused() -> None:
    def says(row: Row) -> Sequence[str]:
        return [] if row.service == "basket" and late(row) else usual(row)

    assert spoke(seen(says), "logs") == {}


def test_lines_of_failing_requests_are_the_same_witness_as_the_failures() -> None:
    def says(row: Row) -> Sequence[str]:
        return [*usual(row), *(["card refused"] if row.failed and row.service == "till" else [])]

    told = seen(says, {"till": Ill(fails=0.5)})
    assert (set(spoke(told, "error_logs")), set(spoke(told, "logs"))) == ({"till"}, set())


def test_lines_about_a_callee_that_failed_accuse_nobody() -> None:
    def says(row: Row) -> Sequence[str]:
        return [
            *usual(row),
            *(["could not charge the card"] if row.failed and row.service == "basket" else []),
        ]

    told = seen(says, {"till": Ill(fails=0.5)})
    assert "basket" not in spoke(told, "logs") | spoke(told, "error_logs")


def test_lines_that_a_failure_cuts_off_are_the_failures_doing() -> None:
    def says(row: Row) -> Sequence[str]:
        return usual(row)[:1] if row.failed else usual(row)

    assert spoke(seen(says, {"till": Ill(fails=0.5)}), "logs") == {}


def test_overlapping_requests_of_one_service_are_one_unit() -> None:
    rows = [
        Row("quiet-1", 1, -1, "till", "POST /till", SpanKind.SERVER, T0, 1.0),
        Row("quiet-1", 2, 9, "till", "POST /till", SpanKind.SERVER, T0 + 0.5, 1.0),
        Row("quiet-1", 3, 9, "till", "POST /till", SpanKind.SERVER, T0 + 2.0, 1.0),
    ]
    assert len(units(view_of(rows, usual)).service) == 2


def test_a_line_belongs_to_the_request_that_had_begun_last() -> None:
    rows = [
        Row("quiet-1", number, 9, "till", "POST /till", SpanKind.SERVER, T0 + number, 0.5)
        for number in (1, 2, 3)
    ]
    assert units(view_of(rows, usual)).line.tolist() == [0, 0, 1, 1, 2, 2]


def test_the_first_burst_of_a_service_is_judged_by_those_of_all_services() -> None:
    """What was seen on one service in every other minute is no great news on its neighbour."""

    def weight(bursts: bool) -> float:
        rows = World(FORK, rate=8.0).rows({"basket": Ill(fails=0.4)})
        struck = [
            replace(
                row, failed=row.failed or (bursts and row.service == "search" and row.kind == SpanKind.SERVER)
            )
            if row.start < T0 + QUIET and int((row.start - T0) // 20) % 2
            else row
            for row in rows
        ]
        found = look(behold(alert(signal="errors"), telemetry(struck)))
        return max(
            a.log_bayes_factor for a in found if a.signal == "own_errors" and a.entity.service == "basket"
        )

    assert weight(bursts=True) < weight(bursts=False) / 2


def test_no_service_is_accused_by_logs_that_stay_the_same() -> None:
    told = seen(usual)
    assert spoke(told, "logs") == {}


def remembered(told: Telemetry) -> Telemetry:
    """The same when only the memory of quiet time is left."""
    past = Past.none()
    for start in np.arange(T0, T0 + QUIET, quiet.MINUTE).tolist():
        past = quiet.learn(past, quiet.minute_of(told.quiet, start), start)
    return replace(told, quiet=Batch.none(), past=past)


def test_lines_that_are_remembered_are_no_news() -> None:
    assert spoke(remembered(seen(usual)), "logs") == {}


def test_a_line_that_nobody_remembers_is_news() -> None:
    def says(row: Row) -> Sequence[str]:
        return [*usual(row), *(["card reader lost"] if row.service == "till" and late(row) else [])]

    assert set(spoke(remembered(seen(says)), "logs")) == {"till"}

"""The catalogue of known errors: every entry is sound, alone in what it knows, and told where it is seen."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.diagnose import diagnose
from causal.errors import MalformedSettings
from causal.evidence import Fault, Hypothesis
from causal.naming import telling
from causal.sightings import Sighting, sightings
from causal.signatures import LONGEST, Catalogue, Pattern, Signature, parse, shipped
from causal.telemetry import Batch, Column, Logs, Telemetry
from causal.view import behold
from tests.causal.worlds import CHAIN, QUIET, T0, Ill, Row, World, alert, telemetry

ENTRIES = shipped().entries
ONSET = T0 + QUIET
POOL = "HikariPool-1 - Connection is not available, request timed out after 30000ms."
ONE = """
- name: coffee-gone
  means: the coffee is gone
  fault: dependency
  tells: cause
  lines: [out of coffee]
  check: "Ask {service} for tea."
  example: we are out of coffee
  source: [a kitchen]
"""


def names(found: Iterable[Signature]) -> list[str]:
    return [entry.name for entry in found]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_recognises_its_own_example_and_no_other_entry_does(entry: Signature) -> None:
    assert names(shipped().by_line(entry.example)) == [entry.name]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_tells_where_its_facts_are_from(entry: Signature) -> None:
    assert all(source.startswith("https://") for source in entry.source)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_type_is_recognised_as_its_own_entry(entry: Signature) -> None:
    assert [names(shipped().by_type(name)) for name in entry.types] == [[entry.name]] * len(entry.types)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_code_is_recognised_as_its_own_entry(entry: Signature) -> None:
    assert [names(shipped().by_code(code)) for code in entry.codes] == [[entry.name]] * len(entry.codes)


def test_the_last_part_of_a_type_is_enough() -> None:
    assert names(shipped().by_type("java.lang.OutOfMemoryError")) == ["out-of-memory"]


def test_a_status_may_stand_where_the_type_of_an_error_does() -> None:
    assert names(shipped().by_type("429")) == ["rate-limited"]


def test_a_sqlalchemy_pool_is_a_pool_and_a_timeout() -> None:
    line = "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00"
    assert names(shipped().by_line(line)) == ["timed-out", "connection-pool-exhausted"]


@pytest.mark.parametrize(
    "line",
    [
        "order 429 has 1040 items",
        "connections refused: none",
        "reconnection resetting",
        "GET /health 200",
        "deadlocks detected: 0",
        "",
    ],
)
def test_ordinary_lines_are_no_known_errors(line: str) -> None:
    assert shipped().by_line(line) == ()


@given(line=st.text(max_size=60))
def test_a_pattern_is_found_whatever_stands_around_it(line: str) -> None:
    assert "disk-full" in names(shipped().by_line(f"{line} :no space left on device: {line}"))


@given(gap=st.text("ab *(.", max_size=40))
def test_a_gap_may_hold_anything(gap: str) -> None:
    assert Pattern.of("limit of * reached").start(f"limit of {gap} reached") == 0


@given(words=st.permutations(["one", "two", "three"]))
def test_words_in_another_order_are_another_line(words: list[str]) -> None:
    found = Pattern.of("one * two * three").start(" and ".join(words)) >= 0
    assert found == (words == ["one", "two", "three"])


HOSTILE = ("circuit ", "connection ", "a", "*", "limit of size ", "validation error ", "\x00", "İ")


class Counted(str):
    """A line that counts how often something is sought in it."""

    __slots__ = ("sought",)
    sought: int

    def find(self, *what: object) -> int:
        self.sought = getattr(self, "sought", 0) + 1
        return super().find(*what)  # type: ignore[arg-type]


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_a_hostile_line_is_searched_no_more_often_than_it_is_long(piece: str) -> None:
    line = Counted((piece * LONGEST)[:LONGEST].lower())
    patterns = [pattern for entry in ENTRIES for pattern in entry.patterns]
    most = 0
    for pattern in patterns:
        line.sought = 0
        pattern.start(line)
        most = max(most, line.sought)
    assert most <= LONGEST


def test_what_lies_beyond_the_length_that_is_read_is_not_seen() -> None:
    assert shipped().by_line("x " * LONGEST + "no space left on device") == ()


def test_a_catalogue_of_a_site_is_read_like_the_shipped_one() -> None:
    assert names(Catalogue(parse(ONE, "site.yaml")).by_line("OUT of  coffee again")) == ["coffee-gone"]


@pytest.mark.parametrize(
    ("change", "where", "says"),
    [
        (("fault: dependency", "fault: coffee"), "site.yaml:4", "fault"),
        (("tells: cause", "tells: all"), "site.yaml:5", "tells"),
        (("[out of coffee]", "[out of 3 coffees]"), "site.yaml:6", "holds a digit"),
        (("[out of coffee]", "['* * *']"), "site.yaml:6", "says too little"),
        (("{service}", "{password}"), "site.yaml:7", "braces"),
        (("means:", "meanings:"), "site.yaml:3", "meanings"),
        (("  check: ", "  name: tea\n  check: "), "site.yaml:7", "twice"),
        (("- name", "name"), "site.yaml:3", "not YAML"),
        (("[a kitchen]", "{a: kitchen}"), "site.yaml:9", "list of texts"),
    ],
    ids=["fault", "tells", "digit", "empty", "braces", "field", "twice", "no list", "mapping"],
)
def test_a_mistake_in_a_catalogue_is_told_with_its_line(
    change: tuple[str, str], where: str, says: str
) -> None:
    with pytest.raises(MalformedSettings, match=says) as told:
        parse(ONE.replace(*change), "site.yaml")
    assert told.value.where == where


def test_two_entries_of_one_name_are_a_mistake() -> None:
    with pytest.raises(MalformedSettings, match="stands here twice"):
        parse(ONE + ONE, "site.yaml")


def logs(lines: Iterable[tuple[float, str, str | None, str]]) -> Logs:
    """Lines (time, service, trace, body) as a table, by time."""
    rows = sorted(lines, key=lambda line: line[0])
    none = Column(np.full(len(rows), -1, dtype=np.int32), ())
    return Logs(
        time_ns=np.array([int(row[0] * 1e9) for row in rows], dtype=np.int64),
        service=Column.of(row[1] for row in rows),
        instance=none,
        severity=Column.of("error" for _ in rows),
        trace=Column.of(row[2] for row in rows),
        body=Column.of(row[3] for row in rows),
    )


def logging(ills: dict[str, Ill], service: str, says: dict[bool, str], *, usual: str = "served") -> Telemetry:
    """A chain whose service writes a line a request: in the incident what ``says`` has for failed or for
    good ones, else and in quiet time ``usual``."""
    rows = World(CHAIN).rows(ills)
    mine = [row for row in rows if row.service == service and row.kind == 2]
    table = logs(
        (row.start, service, row.trace, says.get(row.failed, usual) if row.start >= ONSET else usual)
        for row in mine
    )
    late = table.time_ns >= int(ONSET * 1e9)
    full = telemetry(rows)
    return replace(
        full,
        quiet=replace(full.quiet, logs=table.take(~late)),
        incident=replace(full.incident, logs=table.take(late)),
    )


def seen(told: Telemetry, service: str, signal: str = "errors") -> tuple[Sighting, ...]:
    return sightings(behold(alert(signal=signal), told), service)  # type: ignore[arg-type]


def first(told: Telemetry) -> Hypothesis:
    hypothesis = diagnose(alert(signal="errors"), told).first
    assert hypothesis is not None
    return hypothesis


FAILING = {"till": Ill(fails=0.5)}


def test_a_known_error_in_the_log_names_the_kind_of_fault() -> None:
    assert first(logging(FAILING, "till", {True: POOL})).fault is Fault.POOL_EXHAUSTED


def test_a_known_error_says_what_to_check_next() -> None:
    assert "hold a connection longest" in first(logging(FAILING, "till", {True: POOL})).next_check


def test_a_known_error_stands_in_the_evidence_with_its_words_and_counts() -> None:
    said = [e.says for e in first(logging(FAILING, "till", {True: POOL})).evidence if e.signal == "signature"]
    told = telemetry_counts(logging(FAILING, "till", {True: POOL}))
    assert said[0].startswith(f"till: signature connection-pool-exhausted: '{POOL}' in {told} requests, new;")


def telemetry_counts(told: Telemetry) -> str:
    bodies = told.incident.logs.body.values()
    return f"{bodies.count(POOL)} of {len(bodies)}"


def test_an_error_that_quiet_time_shows_as_often_is_no_news() -> None:
    assert seen(logging({}, "till", {}, usual=POOL), "till") == ()


def test_an_error_of_another_service_is_none_of_this_one() -> None:
    assert seen(logging(FAILING, "till", {True: POOL}), "basket") == ()


def test_an_effect_does_not_overrule_what_the_signals_show() -> None:
    late = logging({"till": Ill(slow=0.4)}, "till", {False: "request timeout"})
    hypothesis = diagnose(alert(), late).first
    assert hypothesis is not None
    assert hypothesis.fault is Fault.LATENCY


def test_an_effect_names_the_fault_where_the_signals_know_of_errors_only() -> None:
    assert first(logging(FAILING, "till", {True: "no such host"})).fault is Fault.DEPENDENCY


def test_one_killed_process_is_enough_to_name_memory() -> None:
    told = logging(FAILING, "till", {})
    table = told.incident.logs
    bodies = ["reason OOMKilled" if row == 3 else "served" for row in range(len(table))]
    killed = replace(told.incident, logs=replace(table, body=Column.of(bodies)))
    assert first(replace(told, incident=killed)).fault is Fault.MEMORY


def test_a_rare_known_error_does_not_name_the_fault() -> None:
    told = logging(FAILING, "till", {})
    bodies = ["too many requests" if row == 3 else "served" for row in range(len(told.incident.logs))]
    table = replace(told.incident.logs, body=Column.of(bodies))
    assert first(replace(told, incident=replace(told.incident, logs=table))).fault is Fault.ERRORS


def with_attributes(rows: list[Row], service: str, text: str) -> Telemetry:
    """Failed spans of a service carry these attributes."""
    told = telemetry(rows)
    spans = told.incident.spans
    mine = [
        text if name == service and status == 2 else None
        for name, status in zip(spans.service.values(), spans.status.tolist(), strict=True)
    ]
    return replace(told, incident=replace(told.incident, spans=replace(spans, attributes=Column.of(mine))))


def test_the_type_of_an_exception_names_the_kind_of_fault() -> None:
    told = with_attributes(
        World(CHAIN).rows(FAILING), "till", '{"exception.type": "psycopg.DeadlockDetected"}'
    )
    assert first(told).fault is Fault.CONTENTION


def test_the_message_of_an_exception_is_quoted_before_its_type() -> None:
    text = '{"exception.type": "MemoryError", "exception.message": "cannot allocate memory"}'
    assert [s.quote for s in seen(with_attributes(World(CHAIN).rows(FAILING), "till", text), "till")] == [
        "cannot allocate memory"
    ]


def test_what_callers_saw_speaks_of_the_one_that_was_called() -> None:
    dead = with_attributes(
        World(CHAIN).rows({"till": Ill(dead=True)}), "basket", '{"error.type": "ECONNREFUSED"}'
    )
    found = seen(dead, "till")
    assert [(s.signature.name, s.called, s.fault) for s in found] == [
        ("connection-refused", True, Fault.UNAVAILABLE)
    ]


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"error.type": {}}', '{"exception.message": 7}'])
def test_attributes_that_make_no_sense_show_nothing(text: str) -> None:
    assert seen(with_attributes(World(CHAIN).rows(FAILING), "till", text), "till") == ()


def test_control_characters_are_not_quoted() -> None:
    told = logging(FAILING, "till", {True: "\x1b[31mno space left on device\x00"})
    assert [s.quote for s in seen(told, "till")] == ["no space left on device"]


def test_a_long_line_is_quoted_around_the_words_that_were_recognised() -> None:
    told = logging(
        FAILING, "till", {True: "at some.place " * 40 + "deadlock detected" + " in a far place" * 40}
    )
    quote = seen(told, "till")[0].quote
    assert (quote[0], "deadlock detected" in quote, len(quote) < 130) == ("…", True, True)


def test_of_a_cause_and_an_effect_the_cause_names_the_fault() -> None:
    line = "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00"
    named = telling(seen(logging(FAILING, "till", {True: line}), "till"), Fault.ERRORS)
    assert named is not None
    assert named.signature.name == "connection-pool-exhausted"


def test_without_quiet_time_a_known_error_is_told_but_names_nothing() -> None:
    told = logging(FAILING, "till", {True: POOL})
    bare = replace(told, quiet=Batch.none())
    found = seen(bare, "till")
    assert ([s.signature.name for s in found], telling(found, Fault.ERRORS)) == (
        ["connection-pool-exhausted"],
        None,
    )

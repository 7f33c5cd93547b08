"""Laws of the engine: what must hold whatever the names, the order and the clock."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causal.diagnose import diagnose
from causal.evidence import Diagnosis
from causal.telemetry import Batch, Column, Telemetry
from tests.causal.worlds import CHAIN, COLLIDER, FORK, Ill, World, alert, telemetry

FEW = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORLDS = st.sampled_from([CHAIN, FORK, COLLIDER])
ILLS = st.builds(
    Ill,
    slow=st.sampled_from([0.0, 0.05, 0.4]),
    fails=st.sampled_from([0.0, 0.3]),
    deaf=st.sampled_from([0.0, 0.2]),
    queue=st.sampled_from([0.0, 0.3]),
)


def table(verdict: Diagnosis) -> dict[str, float]:
    return {h.service: round(h.probability, 9) for h in verdict.hypotheses}


@FEW
@given(calls=WORLDS, first=ILLS, last=ILLS, seed=st.integers(0, 99))
def test_probabilities_and_none_of_these_add_up_to_one(
    calls: dict[str, tuple[str, ...]], first: Ill, last: Ill, seed: int
) -> None:
    names = list(calls)
    verdict = diagnose(alert(), World(calls).telemetry({names[1]: first, names[-1]: last}, seed=seed))
    assert sum(table(verdict).values()) + verdict.none_of_these == pytest.approx(1.0, abs=1e-6)


@FEW
@given(calls=WORLDS, ill=ILLS, seed=st.integers(0, 99))
def test_every_probability_lies_between_zero_and_one(
    calls: dict[str, tuple[str, ...]], ill: Ill, seed: int
) -> None:
    verdict = diagnose(alert(), World(calls).telemetry({list(calls)[-1]: ill}, seed=seed))
    assert all(0.0 <= h.probability <= h.raw_probability + 1e-12 <= 1.0 + 1e-9 for h in verdict.hypotheses)


def test_the_same_input_gives_the_same_bytes() -> None:
    seen = World(COLLIDER).telemetry({"stock": Ill(slow=0.2)})
    assert diagnose(alert(), seen).model_dump_json() == diagnose(alert(), seen).model_dump_json()


@FEW
@given(seed=st.integers(0, 1_000))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    rows = World(COLLIDER).rows({"stock": Ill(slow=0.2), "search": Ill(fails=0.1)})
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    before, after = diagnose(alert(), telemetry(rows)), diagnose(alert(), telemetry(shuffled))
    assert table(after) == pytest.approx(table(before), abs=1e-6)


@FEW
@given(suffix=st.text("abcxyz-", min_size=1, max_size=6))
def test_the_names_of_services_do_not_matter(suffix: str) -> None:
    renamed = {suffix + name: tuple(suffix + callee for callee in to) for name, to in COLLIDER.items()}
    here = diagnose(alert(), World(COLLIDER).telemetry({"stock": Ill(slow=0.2)}))
    there = diagnose(alert(suffix + "shopfront"), World(renamed).telemetry({suffix + "stock": Ill(slow=0.2)}))
    assert table(there) == pytest.approx({suffix + k: p for k, p in table(here).items()}, abs=1e-6)


@FEW
@given(hours=st.integers(-5_000, 5_000))
def test_shifting_all_clocks_changes_nothing(hours: int) -> None:
    rows, shift = World(FORK).rows({"search": Ill(slow=0.2)}), 3600.0 * hours
    moved = [replace(row, start=row.start + shift) for row in rows]
    here, there = (
        diagnose(alert(), telemetry(rows)),
        diagnose(alert(shift=shift), telemetry(moved, shift=shift)),
    )
    assert table(there) == pytest.approx(table(here), abs=1e-3)


def test_a_service_without_a_connection_changes_nothing() -> None:
    rows = World(FORK).rows({"search": Ill(slow=0.2)})
    apart = [
        replace(row, trace=f"other {row.trace}", service=f"other {row.service}", span=row.span + 5_000_000)
        for row in World(CHAIN).rows({"till": Ill(slow=2.0)})
        if row.parent == -1
    ]
    assert table(diagnose(alert(), telemetry([*rows, *apart]))) == table(diagnose(alert(), telemetry(rows)))


def test_more_of_the_same_trouble_never_lowers_its_cause() -> None:
    chances = [
        table(diagnose(alert(), World(CHAIN).telemetry({"till": Ill(slow=slow)})))["till"]
        for slow in (0.02, 0.1, 0.5)
    ]
    assert chances == sorted(chances)


def test_tables_whose_dictionaries_differ_give_the_same_answer() -> None:
    rows = World(CHAIN).rows({"till": Ill(slow=0.3)})
    shared = telemetry(rows)
    spans = shared.incident.spans
    own = replace(
        spans, service=Column.of(spans.service.values()), operation=Column.of(spans.operation.values())
    )
    apart = replace(shared, incident=Batch(own, shared.incident.metrics, shared.incident.logs))
    assert isinstance(apart, Telemetry)
    assert table(diagnose(alert(), apart)) == table(diagnose(alert(), shared))

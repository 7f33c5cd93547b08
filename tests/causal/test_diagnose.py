import numpy as np
import pytest

from causal.diagnose import diagnose
from causal.evidence import CauseRecord, Change, Diagnosis, EntityKind, Fault, Priors, Window
from causal.telemetry import Batch, Ints, Logs, Metrics, Spans, Telemetry
from tests.causal.worlds import CHAIN, COLLIDER, FORK, QUIET, T0, UNWELL, Ill, World, alert, metrics

SURE = 0.7


def ask(world: World, ills: dict[str, Ill], signal: str = "latency", **more: object) -> Diagnosis:
    return diagnose(alert(signal=signal), world.telemetry(ills, **more))  # type: ignore[arg-type]


def commit(service: str, seconds_before: float = 5.0) -> Change:
    return Change(
        id="ab12cd34ef", kind="config", service=service, at=T0 + QUIET - seconds_before, title="Tune it"
    )


def named(verdict: Diagnosis) -> tuple[str, Fault]:
    assert verdict.first is not None
    return verdict.first.service, verdict.first.fault


@pytest.mark.parametrize("calls", [CHAIN, FORK, COLLIDER], ids=["chain", "fork", "collider"])
@pytest.mark.parametrize("place", [0, 1, -1], ids=["door", "middle", "end"])
def test_a_slow_service_is_named_before_those_who_wait_for_it(
    calls: dict[str, tuple[str, ...]], place: int
) -> None:
    culprit = list(calls)[place]
    assert named(ask(World(calls), {culprit: Ill(slow=0.3)})) == (culprit, Fault.LATENCY)


def test_a_clear_cause_gets_a_high_probability() -> None:
    verdict = ask(World(CHAIN), {"till": Ill(slow=0.3)})
    assert verdict.first is not None
    assert verdict.first.probability >= SURE


@pytest.mark.parametrize("culprit", list(COLLIDER))
def test_errors_are_charged_to_where_they_begin(culprit: str) -> None:
    verdict = ask(World(COLLIDER, noise=0.005), {culprit: Ill(fails=0.4)}, "errors")
    assert named(verdict) == (culprit, Fault.ERRORS)


def test_a_service_that_nobody_reaches_is_unavailable() -> None:
    assert named(ask(World(COLLIDER), {"stock": Ill(dead=True)}, "errors")) == ("stock", Fault.UNAVAILABLE)


def test_a_delay_on_the_way_to_a_service_is_its_network() -> None:
    assert named(ask(World(COLLIDER), {"stock": Ill(deaf=0.3)})) == ("stock", Fault.NETWORK_DELAY)


def test_calls_that_are_repeated_are_noticed_at_the_caller() -> None:
    verdict = ask(World(CHAIN), {"basket": Ill(repeats=4)})
    assert named(verdict)[0] == "basket"


def test_a_queue_with_nothing_slow_below_it_is_its_own_pool() -> None:
    assert named(ask(World(CHAIN), {"basket": Ill(queue=0.5)})) == ("basket", Fault.POOL_EXHAUSTED)


def test_a_queue_before_a_slow_callee_is_the_callees_doing() -> None:
    verdict = ask(World(CHAIN), {"till": Ill(slow=1.0), "basket": Ill(queue=2.0)})
    assert named(verdict)[0] == "till"


def test_a_commit_just_before_the_trouble_is_the_cause_that_is_named() -> None:
    verdict = ask(World(CHAIN), {"basket": Ill(queue=0.5)}, changes=[commit("basket")])
    assert verdict.first is not None
    assert (verdict.first.fault, verdict.first.entity.kind) == (Fault.CONFIG_CHANGE, EntityKind.CHANGE)


def test_a_commit_carries_its_hash_into_the_hypothesis() -> None:
    verdict = ask(World(CHAIN), {"basket": Ill(queue=0.5)}, changes=[commit("basket")])
    assert verdict.first is not None
    assert verdict.first.change == commit("basket")


def test_a_commit_elsewhere_does_not_draw_the_blame() -> None:
    verdict = ask(World(COLLIDER), {"stock": Ill(slow=0.3)}, changes=[commit("search")])
    assert named(verdict)[0] == "stock"


def test_a_commit_after_the_trouble_began_is_no_cause() -> None:
    verdict = ask(World(CHAIN), {"till": Ill(slow=0.3)}, changes=[commit("till", seconds_before=-40.0)])
    assert named(verdict) == ("till", Fault.LATENCY)


def test_a_busy_processor_beside_slow_work_names_the_processor() -> None:
    calm = World(CHAIN).telemetry({"till": Ill(slow=0.3)})
    samples = [(T0 + 5 * i, "till", "process.cpu.utilization", 0.1 + 0.01 * (i % 3)) for i in range(48)]
    late = [(T0 + QUIET + 5 * i, "till", "process.cpu.utilization", 0.97) for i in range(1, 12)]
    table, split = metrics(samples + late), len(samples)
    rows = list(range(len(samples) + len(late)))
    seen = Telemetry(
        baseline=calm.baseline,
        window=calm.window,
        quiet=Batch(calm.quiet.spans, table.take(np_rows(rows[:split])), Logs.none()),
        incident=Batch(calm.incident.spans, table.take(np_rows(rows[split:])), Logs.none()),
    )
    assert named(diagnose(alert(), seen)) == ("till", Fault.CPU)


def np_rows(rows: list[int]) -> Ints:
    return np.array(rows, dtype=np.int64)


def test_the_path_leads_from_the_cause_to_the_symptom() -> None:
    verdict = ask(World(CHAIN), {"till": Ill(slow=0.3)})
    assert verdict.first is not None
    assert verdict.first.path == ("till", "basket", "shopfront")


def test_the_minimal_set_is_the_one_cause() -> None:
    assert ask(World(CHAIN), {"till": Ill(slow=0.3)}).minimal_set == ("service:till",)


def test_the_evidence_speaks_in_numbers_of_requests() -> None:
    verdict = ask(World(CHAIN), {"till": Ill(slow=0.3)})
    assert verdict.first is not None
    assert "ms more than in quiet time" in verdict.first.evidence[0].says


def test_the_causal_graph_runs_from_callee_to_caller() -> None:
    graph = ask(World(CHAIN), {"till": Ill(slow=0.3)}).graph
    assert ("service:till", "service:basket") in {(edge.source, edge.target) for edge in graph.edges}


def test_a_quiet_incident_leaves_nearly_everything_to_none_of_these() -> None:
    verdict = ask(World(CHAIN), {})
    assert verdict.none_of_these > SURE


def test_a_confirmed_cause_of_earlier_incidents_is_believed_sooner() -> None:
    seen = World(FORK).telemetry({"basket": Ill(slow=0.02), "search": Ill(slow=0.02)})
    taught = Priors(version=3, causes=(CauseRecord(service="search", fault=Fault.LATENCY, confirmed=5),))
    before, after = diagnose(alert(), seen), diagnose(alert(), seen, taught)
    assert chance(after, "search") > chance(before, "search")


def chance(verdict: Diagnosis, service: str) -> float:
    return sum(h.probability for h in verdict.hypotheses if h.service == service)


def test_empty_telemetry_gives_no_hypothesis() -> None:
    verdict = diagnose(alert(), nothing())
    assert (verdict.hypotheses, verdict.none_of_these) == ((), 1.0)


def test_empty_telemetry_is_named_as_missing() -> None:
    assert "there is no telemetry of the incident at all" in diagnose(alert(), nothing()).missing_evidence


def test_without_quiet_time_the_diagnosis_says_so() -> None:
    full = World(CHAIN).telemetry({"till": Ill(slow=0.3)})
    seen = Telemetry(baseline=full.baseline, window=full.window, quiet=Batch.none(), incident=full.incident)
    assert any("no quiet time" in said for said in diagnose(alert(), seen).missing_evidence)


def test_little_quiet_time_lowers_the_probability() -> None:
    much = ask(World(CHAIN), {"till": Ill(slow=0.3)})
    little = ask(World(CHAIN), {"till": Ill(slow=0.3)}, quiet=30.0)
    assert chance(little, "till") < chance(much, "till")


def nothing() -> Telemetry:
    return Telemetry(
        baseline=Window(start=T0, end=T0 + QUIET),
        window=Window(start=T0 + QUIET, end=T0 + QUIET + UNWELL),
        quiet=Batch.none(),
        incident=Batch(Spans.none(), Metrics.none(), Logs.none()),
    )

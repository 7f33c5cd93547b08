from causal.correlate import correlate, neighbourhood
from causal.evidence import Anomaly, Entity

CALLS = {("gateway", "cart"), ("cart", "stock"), ("gateway", "search"), ("blog", "wiki")}


def anomaly(
    service: str, signal: str = "latency", *, evidence: float = 30.0, onset: float = 100.0
) -> Anomaly:
    return Anomaly(
        entity=Entity.of_service(service),
        signal=signal,
        log_bayes_factor=evidence,
        onset=onset,
        says=f"{service} shows {signal}",
    )


def symptoms(*found: Anomaly) -> list[tuple[str | None, str]]:
    return [(a.symptom.service, a.symptom.signal) for a in correlate(found, CALLS, now=130.0)]


def test_a_chain_of_unwell_services_is_one_alert_at_the_users_end() -> None:
    assert symptoms(anomaly("stock"), anomaly("gateway"), anomaly("cart")) == [("gateway", "latency")]


def test_services_that_never_meet_are_two_alerts() -> None:
    assert len(symptoms(anomaly("cart"), anomaly("wiki"))) == 2


def test_two_callees_of_a_healthy_caller_are_two_alerts() -> None:
    assert len(symptoms(anomaly("cart"), anomaly("search"))) == 2


def test_errors_are_told_before_latency() -> None:
    assert symptoms(anomaly("gateway"), anomaly("gateway", "errors")) == [("gateway", "errors")]


def test_trouble_that_began_much_earlier_is_another_incident() -> None:
    assert len(symptoms(anomaly("gateway"), anomaly("stock", onset=-900.0))) == 2


def test_the_alert_began_with_its_earliest_anomaly() -> None:
    alerts = correlate([anomaly("gateway", onset=90.0), anomaly("stock", onset=80.0)], CALLS, now=130.0)
    assert alerts[0].began_at == 80.0


def test_the_fingerprint_does_not_depend_on_time() -> None:
    first = correlate([anomaly("gateway", onset=90.0)], CALLS, now=130.0)
    later = correlate([anomaly("gateway", onset=95.0)], CALLS, now=160.0)
    assert first[0].fingerprint == later[0].fingerprint


def test_the_fingerprint_tells_signals_apart() -> None:
    one = correlate([anomaly("gateway")], CALLS, now=130.0)
    other = correlate([anomaly("gateway", "errors")], CALLS, now=130.0)
    assert one[0].fingerprint != other[0].fingerprint


def test_no_anomalies_make_no_alert() -> None:
    assert correlate([], CALLS, now=130.0) == ()


def test_services_that_call_each_other_in_a_circle_are_one_alert() -> None:
    circle = {("a", "b"), ("b", "a")}
    assert len(correlate([anomaly("a"), anomaly("b")], circle, now=130.0)) == 1


def test_the_neighbourhood_holds_callers_and_callees() -> None:
    assert neighbourhood(["cart"], CALLS) == {"gateway", "cart", "stock"}


def test_the_neighbourhood_of_a_stranger_is_itself() -> None:
    assert neighbourhood(["nobody"], CALLS) == {"nobody"}

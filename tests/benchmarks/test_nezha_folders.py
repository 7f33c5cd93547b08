import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import readers
from benchmarks.cases import Case
from benchmarks.readers.nezha import began, kind_of, service_of

POD = "cartservice-579f59597d-wc2lz"
FRONT = "frontend-579b9bff58-t2dbm"
DATE = "2022-08-20"
AT = datetime(2022, 8, 20, 3, 53, 54, tzinfo=UTC).timestamp()
SPANS = "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n"
LOGS = "Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log\n"


def _ns(after: float) -> int:
    return round((AT + after) * 1e9)


def _minute(day: Path, stem: str, *moments: float) -> None:
    """The spans and log records of a minute file: a call from the front end to the cart at each moment."""
    spans, logs = [], []
    for number, moment in enumerate(moments):
        trace, begin = f"{stem}{number}", _ns(moment)
        spans += [
            f"{trace},a,root,{FRONT},hipstershop.Frontend/Recv.,{begin},{begin + 9000},9",
            f"{trace},b,a,{FRONT},hipstershop.CartService/GetCart,{begin},{begin + 8000},8",
            f"{trace},c,b,{POD},hipstershop.CartService/GetCart,{begin},{begin + 7000},7",
        ]
        inner = json.dumps({"message": f"TraceID: {trace} SpanID: c Get cart", "severity": "info"})
        outer = json.dumps({"log": inner + "\n", "stream": "stdout"}).replace('"', '""')
        logs.append(f'x,{begin},node,{POD},server,{trace},c,"{outer}"')
    for kind, head, rows in (("trace", SPANS, spans), ("log", LOGS, logs)):
        (day / kind).mkdir(parents=True, exist_ok=True)
        (day / kind / f"{stem}_{kind}.csv").write_text(head + "\n".join(rows) + "\n")


def _metrics(day: Path, *moments: float) -> None:
    folder = day / "metric"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"then,{round(AT + moment)},{POD},{moment},7" for moment in moments]
    (folder / f"{POD}_metric.csv").write_text(
        "\n".join(["Time,TimeStamp,PodName,CpuUsageRate(%),Odd", *rows])
    )
    (folder / "dependency.csv").write_text(
        "Source,Target,Weight\nfrontend,cartservice,1\nfrontend,33.33.33.7,1\n"
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    day = tmp_path / "rca_data" / DATE
    _minute(day, "03_53", -30, 10)
    _minute(day, "03_54", 40)
    _minute(day, "03_55", 100)
    _minute(day, "03_56", 160)
    _metrics(day, -400, -90, -30, 30, 90, 400)
    fault = {
        "inject_time": f"{DATE} 03:53:54",
        "inject_timestamp": str(round(AT)),
        "inject_pod": POD,
        "inject_type": "cpu_contention",
    }
    (day / f"{DATE}-fault_list.json").write_text(json.dumps({"03": [fault]}))
    _minute(tmp_path / "construct_data" / DATE, "03_51", -3000)
    _metrics(tmp_path / "construct_data" / DATE, -3010, 5000)
    return tmp_path


def _only(root: Path) -> Case:
    ((case,),) = readers.find([root]).values()
    return case


def test_each_injection_of_the_list_is_a_case(dataset: Path) -> None:
    (cause,) = _only(dataset).truth().root_causes
    assert (str(_only(dataset)), cause.service, cause.pod, cause.fault) == (
        f"nezha-{DATE}/case_001",
        "cartservice",
        POD,
        "cpu_contention",
    )


def test_three_minutes_are_read_and_cut_at_the_injection(dataset: Path) -> None:
    spans = _only(dataset).read()[1].incident.spans
    assert sorted({(start - _ns(0)) // 10**9 for start in spans.start_ns.tolist()}) == [10, 40, 100]


def test_the_fault_free_minute_of_the_day_is_quiet(dataset: Path) -> None:
    spans = _only(dataset).read()[1].quiet.spans
    assert sorted({round((start - _ns(0)) / 1e9) for start in spans.start_ns.tolist()}) == [-3000, -30]


def test_metrics_of_the_day_are_read_only_around_the_injection(dataset: Path) -> None:
    _, telemetry = _only(dataset).read()
    metrics = telemetry.incident.metrics
    assert metrics.value[metrics.metric.codes == metrics.metric.code("CpuUsageRate(%)")].tolist() == [
        30.0,
        90.0,
    ]


def test_the_alert_names_who_opens_the_traces(dataset: Path) -> None:
    assert _only(dataset).read()[0].symptom.service == "frontend"


def test_messages_are_taken_out_of_their_wrapping(dataset: Path) -> None:
    assert set(_only(dataset).read()[1].incident.logs.body.values()) == {"Get cart"}


def test_calls_to_an_address_are_none(dataset: Path) -> None:
    assert list(_only(dataset).read()[1].calls) == [("frontend", "cartservice")]


def test_a_service_is_its_pod_without_the_hashes() -> None:
    assert service_of("ts-verification-code-service-866bd68c97-xcqfx") == "ts-verification-code-service"


@pytest.mark.parametrize(
    ("operation", "service", "kind"),
    [
        ("hipstershop.CartService/GetCart", "frontend", "client"),
        ("hipstershop.CartService/GetCart", "cartservice", "server"),
        ("HTTP GET", "ts-gateway-service", "client"),
        ("SELECT ts.orders", "ts-order-service", "client"),
        ("/api/v1/orders", "ts-order-service", "server"),
        ("OrderController.query", "ts-order-service", None),
    ],
)
def test_an_operation_tells_whose_side_of_a_call_it_is(
    operation: str, service: str, kind: str | None
) -> None:
    assert kind_of(operation, service, root=False) == kind


def test_a_clock_that_is_hours_off_does_not_count() -> None:
    told = {"inject_time": "2023-01-29 08:43:12", "inject_timestamp": "1674952992"}
    assert began(told) == datetime(2023, 1, 29, 8, 43, 12, tzinfo=UTC).timestamp()


def test_a_clock_that_is_nearly_the_text_is_the_better_one() -> None:
    told = {"inject_time": "2023-01-29 08:43:12", "inject_timestamp": 1674981800}
    assert began(told) == 1674981800.0

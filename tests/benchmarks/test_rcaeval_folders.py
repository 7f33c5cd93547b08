import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import readers
from benchmarks.cases import Case
from causal.telemetry import Status

INJECTED = 1_700_000_000
LOGS = "time,timestamp,container_name,message,level,req_path,error\n"
TRACES = (
    "time,traceID,spanID,serviceName,methodName,operationName,startTimeMillis,startTime,duration,statusCode,"
    "parentSpanID\n"
)


def _first_release(root: Path, name: str = "cartservice_cpu/1", metrics: str = "simple_metrics.csv") -> Path:
    """A case as the first release of RE2 has it: seven samples, two log records, two spans."""
    case = root / "RE2-OB" / name
    case.mkdir(parents=True)
    (case / "inject_time.txt").write_text(f"{INJECTED}\n")
    rows = [f"{INJECTED + at},{at},5,inf" for at in (-700, -60, -1, 0, 60, 600, 700)]
    (case / metrics).write_text(
        "\n".join(["time,cartservice_cpu,frontend_latency-90,cartservice_mem", *rows])
    )
    (case / "logs.csv").write_text(
        f"{LOGS}10:00,{(INJECTED - 5) * 10**9},cartservice,fine,info,,\n"
        f"10:01,{(INJECTED + 5) * 10**9},cartservice,broken,error,,x\n"
    )
    begin = (INJECTED + 1) * 10**6
    (case / "traces.csv").write_text(
        f"{TRACES}10:01,t1,s1,frontendservice,GET,GET /cart,{begin // 1000},{begin},2500,0.0,\n"
        f"10:01,t1,s2,cartservice,Get,Get,{begin // 1000},{begin + 100},2000,13.0,s1\n"
    )
    return case


def _only(root: Path) -> Case:
    ((case,),) = readers.find([root]).values()
    return case


def test_the_layout_is_known_by_what_lies_in_the_folder(tmp_path: Path) -> None:
    _first_release(tmp_path)
    assert str(_only(tmp_path)) == "RE2-OB/case_001"


def test_the_path_tells_the_truth_and_the_alert_does_not(tmp_path: Path) -> None:
    _first_release(tmp_path)
    case = _only(tmp_path)
    (cause,), (alert, _) = case.truth().root_causes, case.read()
    assert (cause.service, cause.fault, alert.symptom.service) == ("cartservice", "cpu", "frontend")


def test_ten_minutes_on_either_side_of_the_injection_are_read(tmp_path: Path) -> None:
    _first_release(tmp_path)
    _, telemetry = _only(tmp_path).read()
    cpu = telemetry.quiet.metrics.metric.code("cpu")
    quiet, now = telemetry.quiet.metrics, telemetry.incident.metrics
    assert quiet.value[quiet.metric.codes == cpu].tolist() == [-60.0, -1.0]
    assert now.value[now.metric.codes == cpu].tolist() == [0.0, 60.0, 600.0]


def test_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    _first_release(tmp_path)
    assert "mem" not in _only(tmp_path).read()[1].incident.metrics.metric.names


def test_a_service_with_hyphens_keeps_them(tmp_path: Path) -> None:
    _first_release(tmp_path, "ts-order-service_delay/3")
    assert _only(tmp_path).truth().root_causes[0].service == "ts-order-service"


def test_the_oldest_name_of_the_metrics_file_is_read(tmp_path: Path) -> None:
    _first_release(tmp_path, metrics="data.csv")
    assert len(_only(tmp_path).read()[1].incident.metrics)


def test_spans_are_in_microseconds_and_named_as_metrics_are(tmp_path: Path) -> None:
    _first_release(tmp_path)
    spans = _only(tmp_path).read()[1].incident.spans
    assert spans.service.values() == ["frontend", "cartservice"]
    assert spans.duration_ns.tolist() == [2_500_000, 2_000_000]


def test_a_status_that_is_not_zero_is_an_error(tmp_path: Path) -> None:
    _first_release(tmp_path)
    spans = _only(tmp_path).read()[1].incident.spans
    assert spans.status.tolist() == [Status.UNSET, Status.ERROR]


def test_log_records_are_sorted_by_the_injection(tmp_path: Path) -> None:
    _first_release(tmp_path)
    _, telemetry = _only(tmp_path).read()
    assert telemetry.quiet.logs.body.values() == ["fine"]
    assert telemetry.incident.logs.body.values() == ["broken"]


def _later(root: Path) -> Path:
    case = root / "re1ss_front-end_loss_2"
    case.mkdir(parents=True)
    (case / "inject_time.txt").write_text(str(INJECTED))
    return case


def test_a_flat_folder_with_series_as_json_is_read(tmp_path: Path) -> None:
    case = _later(tmp_path)
    series = {"front-end_cpu": [[INJECTED - 1, 1.0], [INJECTED, None], [INJECTED + 1, 2.0]], "carts_cpu": []}
    (case / "metrics.json").write_text(json.dumps(series))
    metrics = _only(tmp_path).read()[1].incident.metrics
    assert (metrics.service.values(), metrics.value.tolist()) == (["front-end"], [2.0])


def test_a_flat_folder_with_parquet_is_read(tmp_path: Path) -> None:
    case = _later(tmp_path)
    pq.write_table(pa.table({"time": [INJECTED], "front-end_cpu": [3.0]}), case / "metrics.parquet")
    assert _only(tmp_path).read()[1].incident.metrics.value.tolist() == [3.0]


def test_a_flat_folder_tells_service_fault_and_set(tmp_path: Path) -> None:
    _later(tmp_path)
    case = _only(tmp_path)
    (cause,) = case.truth().root_causes
    assert (case.set_name, cause.service, cause.fault) == ("re1ss", "front-end", "loss")

"""A small shop of real processes breaks in every way, shows it, and is mended as an operator would."""

import os
import signal
import time
from itertools import count

from demo.config_repository import ConfigRepository
from tests.demo.small_shop import Open, eventually

KEYS = (f"key-{number}" for number in count())


def revert_last_commit(small: Open) -> None:
    """What an operator does about a bad commit, without the reload."""
    repository = ConfigRepository(small.folder.config)
    repository.revert(repository.head())


def test_added_latency_shows_in_the_services_own_work(small: Open) -> None:
    since = small.break_down("latency", "store", extra_ms=300)
    assert small.heard.span("store", "get work", since).seconds > 0.2


def test_errors_show_with_their_type_where_they_began(small: Open) -> None:
    since = small.break_down("errors", "store", share=1, error="DiskFull", message="no space")
    span = small.failed("store", "POST /get", since)
    assert (span.attributes["error.type"], span.events[0][1]["exception.message"]) == (
        "DiskFull",
        "get: no space",
    )


def test_errors_are_passed_on_to_the_door(small: Open) -> None:
    since = small.break_down("errors", "store", share=1)
    assert small.failed("door", "POST /enter", since).attributes["http.response.status_code"] == 502


def test_a_failed_call_is_tried_again(small: Open) -> None:
    since = small.break_down("errors", "store", share=1)
    found = small.heard.wait_for(
        lambda: [
            s
            for s in small.heard.spans_of("door", "POST /get", since)
            if "http.request.resend_count" in s.attributes
        ]
    )
    assert found[0].attributes["error.type"] == "500"


def test_a_restart_cures_what_lives_in_the_process(small: Open) -> None:
    small.break_down("errors", "store")
    small.operator("POST", "/restart/store")
    assert small.blamed() == []


def measured(small: Open, metric: str) -> list[float]:
    """What the store measured of itself so far."""
    return [p.value for p in small.heard.points if (p.service, p.metric) == ("store", metric)]


def test_a_hog_burns_its_core(small: Open) -> None:
    usual = sorted(small.heard.wait_for(lambda: measured(small, "process.cpu.utilization")))
    small.break_down("cpu_hog", "store", share=0.9)
    busy = 3 * usual[len(usual) // 2]
    assert small.heard.wait_for(lambda: measured(small, "process.cpu.utilization")[-1] > busy)


def test_a_leak_fills_memory(small: Open) -> None:
    before = small.heard.wait_for(lambda: measured(small, "process.memory.usage"))[-1]
    small.break_down("memory_leak", "store", mb_per_second=40)
    assert small.heard.wait_for(lambda: measured(small, "process.memory.usage")[-1] > before + 40e6)


def test_a_dead_service_stays_dead_until_restarted(small: Open) -> None:
    since = small.break_down("dead", "store")
    assert small.failed("door", "POST /get", since).attributes["error.type"] == "ConnectError"
    assert (small.seen("store")["pid"], small.blamed()) == (None, ["store"])
    small.operator("POST", "/restart/store")
    assert (small.seen("store")["healthy"], small.blamed()) == (True, [])


def test_a_service_that_ends_by_itself_is_started_again(small: Open) -> None:
    before = small.seen("store")["pid"]
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: small.seen("store")["healthy"] and small.seen("store")["pid"] != before)


def test_a_slow_peer_drains_its_callers_pool(small: Open) -> None:
    since = small.break_down("slow_peer_exhausts_pool", "store", caller="door", delay_ms=8000)
    waited = small.heard.wait_for(
        lambda: [s for s in small.heard.spans_of("door", "wait for worker", since) if s.seconds > 0.3]
    )
    assert (bool(waited), small.blamed()) == (True, ["store"])


def test_a_bad_commit_shows_as_another_version(small: Open) -> None:
    change = {"setting": "timeout", "timeout_ms": 2}
    since = small.break_down("bad_config", "door", change=change)
    failed = small.failed("door", "POST /enter", since)
    head = ConfigRepository(small.folder.config).head()
    assert (failed.attributes["error.type"], failed.resource["vcs.ref.head.revision"]) == (
        "TimeoutError",
        head,
    )


def test_a_restart_does_not_cure_a_bad_commit(small: Open) -> None:
    small.break_down("bad_config", "store", change={"setting": "pool_size", "size": 1})
    small.operator("POST", "/restart/store")
    assert small.blamed() == ["store"]


def test_a_revert_alone_does_not_cure_a_bad_commit(small: Open) -> None:
    small.break_down("bad_config", "store", change={"setting": "pool_size", "size": 1})
    revert_last_commit(small)
    assert small.blamed() == ["store"]
    small.operator("POST", "/reload/store")


def test_a_revert_and_a_reload_cure_a_bad_commit(small: Open) -> None:
    small.break_down("bad_config", "store", change={"setting": "pool_size", "size": 1})
    revert_last_commit(small)
    small.operator("POST", "/reload/store")
    assert (small.blamed(), small.seen("store")["pool"]["size"]) == ([], 16)


def test_a_value_that_a_bad_commit_only_repeats_does_not_outlive_its_revert(small: Open) -> None:
    same = small.folder.config.joinpath("services/store.yaml").read_text().split("recycle_ms:")[1].split()[0]
    change = {"setting": "pool_size", "size": 1, "recycle_ms": float(same)}
    small.break_down("bad_config", "store", change=change)
    revert_last_commit(small)
    small.operator("POST", "/reload/store")
    assert small.blamed() == []


def test_a_wrong_upstream_calls_somebody_who_is_not_there(small: Open) -> None:
    since = small.break_down("bad_config", "door", change={"setting": "wrong_upstream", "upstream": "store"})
    attributes = small.failed("door", "POST /get", since).attributes
    assert (attributes["server.address"], attributes["error.type"]) == ("store-old", "ConnectError")


def test_a_bad_prompt_makes_answers_fail_their_schema(small: Open) -> None:
    since = small.break_down("bad_prompt", "guide")
    failed = small.failed("guide", "POST /ask", since)
    chat = small.heard.span("guide", "chat brain-small-1", failed.start)
    assert failed.attributes["error.type"] == "SchemaValidationError"
    assert chat.attributes["gen_ai.prompt.version"] == "v2"


def test_a_reload_drops_no_request(small: Open) -> None:
    since = time.time()
    for _ in range(3):
        small.operator("POST", "/reload/door")
    seen = small.heard.wait_for(
        lambda: len(small.heard.spans_of("door", "POST /enter", since)) > 10 and time.time()
    )
    assert not [s for s in small.heard.spans_of("door", "POST /enter", since) if s.failed and s.start < seen]


def test_heal_undoes_every_fault(small: Open) -> None:
    small.break_down("latency", "store")
    small.break_down("bad_config", "door", change={"setting": "timeout", "timeout_ms": 50})
    small.break_down("dead", "brain")
    small.client.post("/heal")
    assert small.blamed() == []


def test_the_same_key_reloads_once(small: Open) -> None:
    key, before = next(KEYS), len(small.effects())
    answers = [small.operator("POST", "/reload/store", **{"Idempotency-Key": key}).json() for _ in range(2)]
    assert (answers[0] == answers[1], len(small.effects()) - before) == (True, 1)


def test_an_operator_cannot_read_the_truth(small: Open) -> None:
    assert small.operator("GET", "/truth").status_code == 403


def test_nobody_gets_in_without_a_token(small: Open) -> None:
    assert small.operator("GET", "/services", Authorization="").status_code == 403


def test_an_unknown_service_cannot_be_restarted(small: Open) -> None:
    assert small.operator("POST", "/restart/bank").json() == {"error": "there is no service 'bank'"}

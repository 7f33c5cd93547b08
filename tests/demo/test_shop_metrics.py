"""What a Prometheus may scrape of the small shop."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.demo.small_shop import Open, eventually


def page(small: Open, service: str) -> httpx.Response:
    """A service's page, asked for without any token."""
    return httpx.get(f"{small.seen(service)['url']}/metrics", timeout=10)


def value(small: Open, service: str, sample: str, **labels: str) -> float:
    """The sum of the samples of a name that have these labels."""
    families = text_string_to_metric_families(page(small, service).text)
    samples = (found for family in families for found in family.samples if found.name == sample)
    return sum(found.value for found in samples if labels.items() <= found.labels.items())


def test_a_page_is_in_the_text_format_and_wants_no_token(small: Open) -> None:
    answer = page(small, "store")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")


def test_requests_are_counted_by_operation_and_status(small: Open) -> None:
    assert eventually(lambda: value(small, "store", "http_requests_total", operation="get", status="200") > 0)


def test_failed_requests_are_counted_apart(small: Open) -> None:
    small.break_down("errors", "store", share=1.0)
    assert eventually(lambda: value(small, "store", "http_requests_total", status="500") > 0)


def test_how_long_requests_take_is_a_histogram(small: Open) -> None:
    buckets = "http_request_duration_seconds_bucket"
    assert eventually(lambda: value(small, "door", buckets, operation="enter", le="+Inf") > 0)


def test_a_page_says_how_large_the_pool_is(small: Open) -> None:
    assert value(small, "store", "pool_size") == small.seen("store")["pool"]["size"]


def test_a_page_says_what_the_process_uses(small: Open) -> None:
    assert value(small, "store", "process_resident_memory_bytes") > 1_000_000


def test_operations_that_nobody_knows_share_one_series(small: Open) -> None:
    httpx.post(f"{small.seen('store')['url']}/no-such-thing", timeout=10)
    assert value(small, "store", "http_requests_total", operation="unknown", status="404") >= 1


def test_a_scrape_makes_no_span(small: Open) -> None:
    page(small, "store")
    small.heard.span("store", "POST /get")
    assert small.heard.spans_of("store", "GET /metrics", 0.0) == []

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import ValidationError

from causal.errors import Refused, Unavailable, UnknownEffect
from integrations.connections import ConnectionFile, Connections, HttpConnection
from integrations.http_request import EXCERPT, HttpParams, HttpRequest
from integrations.http_wire import judge
from integrations.ports import Action, Effect
from playbooks.lookups import fill
from tests.integrations.talkative import Talkative, talking, told

KEY = "inc-1/p1/reload"


@dataclass
class Bench:
    """The action, and the server that it speaks to."""

    server: Talkative
    folder: Path
    idempotent: bool = True
    token_file: Path | None = None
    base_url: str = ""
    settings: dict[str, object] = field(default_factory=dict)

    @property
    def action(self) -> HttpRequest:
        return HttpRequest(self.connections, self.folder / "state", lambda: "00-abc-def-01")

    def connections(self) -> Connections:
        connection = HttpConnection.model_validate(
            {
                "base_url": self.base_url or self.server.url,
                "token_file": self.token_file,
                "idempotent": self.idempotent,
                **self.settings,
            }
        )
        return Connections(files=(ConnectionFile(http={"admin": connection}),))

    def do(self, timeout: float = 10, key: str = KEY, **changes: object) -> Effect:
        return self.action.execute(params(**changes), key=key, timeout=timeout)


def params(**changes: object) -> HttpParams:
    return HttpParams.model_validate(
        {"connection": "admin", "method": "POST", "path": "/reload/cart", **changes}
    )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with talking() as server:
        yield Bench(server, tmp_path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_action_keeps_the_ports_contract(bench: Bench) -> None:
    assert isinstance(bench.action, Action)


def test_a_request_arrives_as_it_was_written(bench: Bench) -> None:
    bench.do(body={"level": 3})
    (asked,) = bench.server.asked
    assert (asked.method, asked.path, told(asked)) == ("POST", "/reload/cart", {"level": 3})


def test_a_request_carries_its_key_and_its_trace(bench: Bench) -> None:
    bench.do()
    headers = bench.server.asked[0].headers
    assert (headers["idempotency-key"], headers["traceparent"]) == (KEY, "00-abc-def-01")


def test_a_request_names_the_host_that_was_written(bench: Bench) -> None:
    bench.base_url = f"http://localhost:{bench.server.port}"
    bench.do()
    assert bench.server.asked[0].headers["host"] == f"localhost:{bench.server.port}"


def test_an_answer_is_reported(bench: Bench) -> None:
    assert bench.do().facts == {"status": 200, "answer": '{"ok": true}'}


def test_the_token_is_read_from_its_file(bench: Bench) -> None:
    bench.token_file = bench.folder / "token"
    bench.token_file.write_text("s3cret\n")
    bench.do()
    assert bench.server.asked[0].headers["authorization"] == "Bearer s3cret"


def test_a_token_that_is_echoed_is_not_reported(bench: Bench) -> None:
    bench.token_file = bench.folder / "token"
    bench.token_file.write_text("s3cret\n")
    bench.server.body = "you sent s3cret"
    assert bench.do().facts["answer"] == "you sent ..."


@pytest.mark.parametrize("text", [None, "", "two\nlines"])
def test_a_token_file_without_a_token_is_refused(bench: Bench, text: str | None) -> None:
    bench.token_file = bench.folder / "token"
    if text is not None:
        bench.token_file.write_text(text)
    with pytest.raises(Refused, match="token file"):
        bench.do()
    assert bench.server.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "reload",
        "//evil.example/x",
        "http://evil.example/",
        "/../admin",
        "/a/./b",
        "/a/%2e%2e/b",
        "/a/..%2fb",
        "/a\\..\\b",
        "/a b",
        "/a#b",
        "/a\nb",
        "/a\r\nX-Forged: 1",
        "/a%zz",
        "/@evil.example/..",
        "",
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        params(path=path)


@pytest.mark.parametrize("hostile", ["a/b", "a?b=c", "a#b", "//evil", "a%2Fb", "é", "a b", "x\\y", "a@b"])
def test_a_hostile_value_arrives_as_one_segment(bench: Bench, hostile: str) -> None:
    template = {"connection": "admin", "method": "POST", "path": "/reload/${s}/now"}
    bench.action.execute(
        HttpParams.model_validate(fill(template, {"s": hostile}, HttpParams)), key=KEY, timeout=10
    )
    path = bench.server.asked[0].path
    assert (path.count("/"), set(path) & set("?#")) == (3, set())


@pytest.mark.parametrize("hostile", ["..", ".", "../x"])
def test_a_value_that_climbs_is_refused(hostile: str) -> None:
    template = {"connection": "admin", "method": "POST", "path": "/reload/${s}"}
    with pytest.raises((Refused, ValidationError), match=r"holds? \.{1,2} "):
        HttpParams.model_validate(fill(template, {"s": hostile}, HttpParams))


def test_a_base_with_a_path_is_kept(bench: Bench) -> None:
    bench.base_url = f"{bench.server.url}/api/v1"
    bench.do()
    assert bench.server.asked[0].path == "/api/v1/reload/cart"


def test_an_unknown_connection_is_refused(bench: Bench) -> None:
    with pytest.raises(Refused, match="did you mean admin"):
        bench.do(connection="admn")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_refused_and_not_followed(bench: Bench, status: int) -> None:
    bench.server.status, bench.server.headers = status, {"Location": "/elsewhere"}
    with pytest.raises(Refused, match="redirects are not followed"):
        bench.do()
    assert len(bench.server.asked) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "http://[fe80::1]",
        "http://[::ffff:169.254.169.254]",
        "http://[fd00:ec2::254]",
        "http://224.0.0.1",
        "http://2852039166",
    ],
)
def test_link_local_and_metadata_addresses_are_never_asked(bench: Bench, address: str) -> None:
    bench.base_url = address
    with pytest.raises(Refused, match="never asked"):
        bench.do()


def test_a_name_that_does_not_resolve_is_unavailable(bench: Bench) -> None:
    bench.base_url = "http://no-such-host.invalid"
    with pytest.raises(Unavailable, match="can not be resolved") as caught:
        bench.do()
    assert not isinstance(caught.value, UnknownEffect)


def test_a_server_that_is_not_there_is_unavailable_and_nothing_was_done(bench: Bench) -> None:
    bench.base_url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match="nothing was sent") as caught:
        bench.do()
    assert not isinstance(caught.value, UnknownEffect)


@pytest.mark.parametrize("manner", ["hang", "hang_up"])
def test_a_lost_answer_to_a_write_leaves_the_effect_unknown(bench: Bench, manner: str) -> None:
    bench.server.manner = manner
    with pytest.raises(UnknownEffect, match="gave no answer"):
        bench.do(timeout=0.3)


def test_a_lost_answer_to_a_read_is_merely_unavailable(bench: Bench) -> None:
    bench.server.manner = "hang_up"
    with pytest.raises(Unavailable) as caught:
        bench.do(method="GET")
    assert not isinstance(caught.value, UnknownEffect)


def test_a_failing_server_leaves_the_effect_unknown(bench: Bench) -> None:
    bench.server.status = 503
    with pytest.raises(UnknownEffect, match="answered 503"):
        bench.do()


def test_a_failing_server_that_was_only_read_is_unavailable(bench: Bench) -> None:
    bench.server.status = 500
    with pytest.raises(Unavailable) as caught:
        bench.do(method="GET")
    assert not isinstance(caught.value, UnknownEffect)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_request_that_the_server_does_not_take_is_refused_with_its_words(bench: Bench, status: int) -> None:
    bench.server.status, bench.server.body = status, "no \x1b[31msuch service"
    with pytest.raises(Refused, match=f"answered {status}: no  .31msuch service"):
        bench.do()


@pytest.mark.parametrize("status", [408, 425, 429])
def test_a_busy_server_is_unavailable(bench: Bench, status: int) -> None:
    bench.server.status = status
    with pytest.raises(Unavailable) as caught:
        bench.do()
    assert not isinstance(caught.value, UnknownEffect)


def test_only_the_expected_statuses_are_success(bench: Bench) -> None:
    bench.server.status = 202
    with pytest.raises(UnknownEffect, match="answered 202"):
        bench.do(expect=[200])


def test_an_expected_status_may_be_any(bench: Bench) -> None:
    bench.server.status = 404
    assert bench.do(expect=[404]).facts["status"] == 404


def test_a_huge_answer_is_not_kept(bench: Bench) -> None:
    bench.server.body = "x" * 5_000_000
    assert bench.do().facts["answer"] == "x" * EXCERPT


def test_what_was_never_sent_is_not_there(bench: Bench) -> None:
    assert bench.action.observe(params(), key=KEY) is None


def test_what_was_answered_is_there_already(bench: Bench) -> None:
    effect = bench.do()
    assert bench.action.observe(params(), key=KEY) == effect


def test_what_was_answered_is_not_sent_again(bench: Bench) -> None:
    assert bench.do() == bench.do()
    assert len(bench.server.asked) == 1


def test_a_lost_request_may_be_sent_again_where_keys_are_honoured(bench: Bench) -> None:
    bench.server.manner = "hang_up"
    with pytest.raises(UnknownEffect):
        bench.do()
    assert bench.action.observe(params(), key=KEY) is None


def test_a_lost_request_is_not_sent_again_where_keys_mean_nothing(bench: Bench) -> None:
    bench.idempotent, bench.server.manner = False, "hang_up"
    with pytest.raises(UnknownEffect):
        bench.do()
    with pytest.raises(UnknownEffect, match="does not recognise a repeated request"):
        bench.do()
    assert len(bench.server.asked) == 1


def test_a_refused_request_may_be_sent_again_everywhere(bench: Bench) -> None:
    bench.idempotent, bench.server.status = False, 404
    with pytest.raises(Refused):
        bench.do()
    assert bench.action.observe(params(), key=KEY) is None


def test_a_damaged_note_of_a_request_is_an_unknown_effect(bench: Bench) -> None:
    bench.do()
    (marker,) = (bench.folder / "state").glob("*.json")
    marker.write_text("{half")
    with pytest.raises(UnknownEffect, match="can not be read"):
        bench.action.observe(params(), key=KEY)


def test_a_preview_shows_the_request_and_sends_nothing(bench: Bench) -> None:
    preview = bench.action.preview(params(body={"level": 3}))
    assert preview.startswith(f"POST {bench.server.url}/reload/cart (connection admin)\n{{")
    assert bench.server.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "100.100.100.200",
        "fd00:ec2::254",
        "0.0.0.0",
        "::",
        "224.0.0.1",
    ],
)
def test_an_address_that_is_never_asked_is_refused_in_every_form(address: str) -> None:
    with pytest.raises(Refused, match="never asked"):
        judge(address, "shop.example", private=True)


PRIVATE = ["127.0.0.1", "10.0.0.5", "192.168.1.1", "100.64.0.1", "::1", "fd12::1", "::ffff:10.0.0.5"]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_inside_is_refused_unless_the_connection_says_so(address: str) -> None:
    with pytest.raises(Refused, match="write private: true"):
        judge(address, "shop.example", private=False)


@pytest.mark.parametrize("address", [*PRIVATE, "93.184.216.34", "2606:2800:220:1::1"])
def test_a_connection_that_says_private_may_lead_inside(address: str) -> None:
    judge(address, "shop.example", private=True)


def test_another_spelling_of_this_machine_must_be_meant(bench: Bench) -> None:
    bench.base_url = f"http://127.1:{bench.server.port}"
    with pytest.raises(Refused, match="write private: true"):
        bench.do()
    assert bench.server.asked == []


def test_a_spelling_that_is_meant_is_asked(bench: Bench) -> None:
    bench.base_url, bench.settings = f"http://127.1:{bench.server.port}", {"private": True}
    bench.do()
    assert len(bench.server.asked) == 1


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/reload/cart", True),
        ("POST", "/reload/a%2Fb", True),
        ("POST", "/reload/cart/now", False),
        ("POST", "/reload/", False),
        ("POST", "/reload/cart?force=1", False),
        ("GET", "/reload/cart", False),
        ("DELETE", "/reload/cart", False),
        ("GET", "/state", True),
        ("GET", "/state?verbose=1", True),
        ("GET", "/states", False),
        ("POST", "/", False),
    ],
)
def test_only_what_the_connection_allows_is_sent(bench: Bench, method: str, path: str, allowed: bool) -> None:
    bench.settings = {"allow": ["POST /reload/*", "GET /state?*"]}
    with suppress(Refused):
        bench.do(method=method, path=path)
    assert len(bench.server.asked) == int(allowed)


def test_what_is_not_allowed_is_not_even_planned(bench: Bench) -> None:
    bench.settings = {"allow": []}
    with pytest.raises(Refused, match="allows nothing"):
        bench.action.preview(params())


def test_a_body_over_the_limit_is_not_sent(bench: Bench) -> None:
    bench.settings = {"longest_body": "1KiB"}
    with pytest.raises(Refused, match="takes 1024"):
        bench.do(body="x" * 2000)
    assert bench.server.asked == []


def test_values_are_inserted_into_a_body_as_values(bench: Bench) -> None:
    hostile = 'x", "admin": true, "y": "'
    template = {"connection": "admin", "method": "POST", "path": "/reload/cart", "body": {"name": "a-${s}"}}
    filled = HttpParams.model_validate(fill(template, {"s": hostile}, HttpParams))
    bench.action.execute(filled, key=KEY, timeout=10)
    assert told(bench.server.asked[0]) == {"name": f"a-{hostile}"}

"""The way to a server, in words; and that no answer shows a secret, whatever it says."""

from __future__ import annotations

import asyncio
import fcntl
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from causal.errors import Conflict
from tests.doubles.serving import Answered, Asked, serving
from tests.workers.checking import settings_of
from workers.checkup.reach import Way
from workers.checkup.report import Finding, Remark, doubt, finding, well, wrong
from workers.up import run

Ask = Callable[[Way, str], tuple[Remark, ...]]

# What people take for secrets: no white space, and not the stars that take its place.
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*"), min_size=4)


@contextmanager
def behind_tls(folder: Path) -> Iterator[str]:
    """A server with a certificate that it signed itself; gives its address."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def words(remarks: tuple[Remark, ...]) -> str:
    return Finding("it", remarks).words


@pytest.mark.parametrize("ask", [Way.head, Way.connect])
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9", "nothing listens there"),
        ("http://no-such-host.invalid", "there is no such host"),
        ("http://[::1", "is not an address"),
    ],
)
def test_what_is_wrong_on_the_way_is_said_in_words(ask: Ask, url: str, expected: str) -> None:
    assert expected in words(ask(Way(), url))


@pytest.mark.parametrize("ask", [Way.head, Way.connect])
def test_a_certificate_that_nobody_trusts_is_said_in_words(ask: Ask, tmp_path: Path) -> None:
    with behind_tls(tmp_path) as url:
        assert "its certificate is not trusted" in words(ask(Way(), url))


def test_a_password_in_an_address_is_not_told() -> None:
    assert "word" not in words(Way().head("http://me:word@127.0.0.1:9/?token=word"))


def test_only_the_head_of_an_address_is_asked_for() -> None:
    asked: list[Asked] = []

    def note(request: Asked) -> Answered:
        asked.append(request)
        return Answered()

    with serving(note) as url:
        Way().head(url)
    assert asked == []


@given(before=st.text(), secret=SECRETS, after=st.text())
def test_no_secret_stays_in_a_finding(before: str, secret: str, after: str) -> None:
    found = finding("it", [wrong(f"{before} {secret} {after}", secret)], [secret])
    assert secret not in found.words.replace(" → ", " ")


def test_a_token_that_nobody_told_us_of_is_known_by_its_shape() -> None:
    assert "xoxb-" not in finding("it", [well("sent xoxb-123456789012-abcdef")]).words


@pytest.mark.parametrize(
    ("remarks", "state"),
    [
        ([well("a")], "ok"),
        ([well("a"), doubt("b")], "warning"),
        ([wrong("c"), doubt("b"), well("a")], "failed"),
        ([], "ok"),
    ],
)
def test_a_system_is_as_bad_as_the_worst_of_it(remarks: list[Remark], state: str) -> None:
    assert finding("it", remarks).state == state


def test_the_gravest_is_told_first_and_what_is_well_not_at_all() -> None:
    assert finding("it", [well("a"), doubt("b", "mend b"), wrong("c")]).words == "c; b → mend b"


def test_a_misspelt_variable_is_told_when_aitia_comes_up(tmp_path: Path) -> None:
    told: list[str] = []
    with (tmp_path / "lock").open("w") as lock, CliRunner().isolation(env={"AITIA_DOR_PORT": "1"}):
        fcntl.flock(lock, fcntl.LOCK_EX)  # another one is running here, so this one soon ends
        with pytest.raises(Conflict):
            asyncio.run(run(settings_of(tmp_path), told.append))
    assert "did you mean AITIA_DOOR_PORT?" in told[0]

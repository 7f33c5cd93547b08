"""The way to a server: can it be spoken to at all, by TLS where it should be, and do the clocks agree?

Nothing is asked for but the head of the address, without any credentials: whatever is answered, even a no,
says that a server is there, and its ``Date`` header (RFC 9110, 6.6.1) what time it believes it is. A minute
matters: Slack refuses and is refused beyond five, tokens expire early or late, and a change seems to come
after the trouble that it made.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from workers.checkup.report import Remark, doubt, well, wrong

CLOCK_SECONDS = 60.0
CONNECT_SECONDS = 5.0
Clock = Callable[[], float]


@dataclass(frozen=True)
class Way:
    """How servers are reached from here; ``clock`` is this machine's (Unix seconds)."""

    clock: Clock = time.time
    timeout: float = CONNECT_SECONDS

    def head(self, url: str) -> tuple[Remark, ...]:
        """Ask for the head of an address: what is wrong on the way, or with the clocks."""
        begun = self.clock()
        try:
            answer = httpx.head(url, timeout=self.timeout, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return (wrong(*in_words(url, error)),)
        return tuple(self._clocks(answer.headers.get("date", ""), (begun + self.clock()) / 2))

    def connect(self, url: str) -> tuple[Remark, ...]:
        """Open a connection and close it, with TLS where the address says so; nothing is asked."""
        try:
            address = urlsplit(url)
            port = address.port or (443 if address.scheme == "https" else 80)
            host = address.hostname or ""
            with socket.create_connection((host, port), timeout=self.timeout) as plain:
                if address.scheme == "https":
                    context = ssl.create_default_context()
                    with context.wrap_socket(plain, server_hostname=host):
                        return (well(f"{host}:{port} answers, by TLS"),)
        except (OSError, ValueError) as error:
            return (wrong(*in_words(url, error)),)
        return (well(f"{host}:{port} answers"),)

    def _clocks(self, date: str, here: float) -> Iterator[Remark]:
        try:
            there = parsedate_to_datetime(date).timestamp()
        except ValueError:
            return  # it tells no time
        apart = here - there
        if abs(apart) > CLOCK_SECONDS:
            which = "ahead of" if apart > 0 else "behind"
            yield doubt(
                f"the clock of this machine is {abs(apart):.0f} s {which} the server's",
                "set both by NTP (timedatectl status)",
            )


def in_words(url: str, error: Exception) -> tuple[str, str]:
    """What a failure on the way means, and what to do about it."""
    where = _place(url)
    root = _root(error)
    if isinstance(root, ssl.SSLCertVerificationError):
        return (
            f"{where}: its certificate is not trusted ({root.verify_message})",
            "name the CA by SSL_CERT_FILE, or mend the certificate or the host name in the url",
        )
    if isinstance(root, ssl.SSLError):
        return (
            f"{where} does not speak TLS as expected ({root.reason or root})",
            "is it http rather than https? check the url",
        )
    if isinstance(root, socket.gaierror):
        return f"{where}: there is no such host", "check the url and this machine's DNS"
    if isinstance(root, ConnectionRefusedError):
        return f"{where}: nothing listens there", "start it, or check host and port of the url"
    if isinstance(root, TimeoutError) or isinstance(error, httpx.TimeoutException):
        return f"{where} does not answer in time", "check firewalls and proxies between here and there"
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol | ValueError):
        return f"{where} is not an address that can be asked", "write http://host:port or https://host"
    return f"{where} can not be spoken to ({type(root).__name__}: {root})", "check the url"


def _place(url: str) -> str:
    """Scheme, host and port: never a user, a password or a query."""
    try:
        address = urlsplit(url)
        port = f":{address.port}" if address.port else ""
    except ValueError:
        return "the url"
    return f"{address.scheme}://{address.hostname or ''}{port}"


def _root(error: BaseException) -> BaseException:
    """The first of the errors that led to one another."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error

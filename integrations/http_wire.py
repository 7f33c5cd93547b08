"""One HTTP request to the one server that a connection names: what every action over HTTP shares.

The name is resolved once, every address it has is judged, and the very address that was judged is the one
connected to, so that a name can not mean something else a moment later (DNS rebinding). Link-local, multicast
and metadata addresses are never asked; a private or loopback address only where the connection says so, by
writing the address itself, ``localhost``, or ``private: true``. Redirects are not followed, proxies of the
environment play no part, an answer is read up to a size.

What is known after a failure is said exactly: `Unavailable` means that nothing was sent, `UnknownEffect` that
the request may have arrived.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from causal.errors import Refused, Unavailable, UnknownEffect
from playbooks.lookups import is_visible

CONNECT_SECONDS = 5.0
EXCERPT = 300
_METADATA = {"fd00:ec2::254", "100.100.100.200"}  # cloud metadata services that are not link-local
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Server:
    """Where to, as whom, and how much of an answer is read; ``token`` is what an answer must not show."""

    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str = field(default="", repr=False)
    private: bool = False
    longest_answer: int = 64 * 1024


@dataclass(frozen=True)
class Request:
    """A request below the base; ``body`` is sent as JSON."""

    method: str
    path: str
    body: object = None

    @property
    def only_reads(self) -> bool:
        return self.method == "GET"


@dataclass(frozen=True)
class Answer:
    """What came back; the names of ``headers`` are lower case, the body may be cut."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    token: str = field(default="", repr=False)

    @property
    def is_good(self) -> bool:
        return self.status in range(200, 300)

    @property
    def excerpt(self) -> str:
        """The beginning of the body for people: what can be seen, without a token that a server echoes."""
        text = self.body.decode(errors="replace").replace(self.token or "\0", "...")
        return "".join(letter if is_visible(letter) else " " for letter in text)[:EXCERPT].strip()

    def json(self) -> object:
        """Return the body as a value; UnknownEffect if it is none, for then nothing is known."""
        try:
            value: object = json.loads(self.body)
        except ValueError as error:
            raise UnknownEffect(f"{self.url} answered {self.status} with no JSON: {self.excerpt}") from error
        return value


def send(server: Server, request: Request, deadline: float) -> Answer:
    """Send a request and return the answer, whatever it is; ``deadline`` is a time of the monotonic clock.

    Refused if the address is none to be asked, Unavailable if nothing was sent; a request whose answer is
    lost raises UnknownEffect, or Unavailable if it only reads.
    """
    url = httpx.URL(server.base_url + request.path)
    refused: list[str] = []
    for address in addresses(url, private=server.private):
        try:
            return _sent(server, request, url, address, deadline)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            refused.append(f"{address}: {error or type(error).__name__}")
        except httpx.TransportError as error:
            raise lost(request, url, f"gave no answer: {error or type(error).__name__}") from error
    raise Unavailable(f"{url.host} can not be reached, nothing was sent ({'; '.join(refused)})")


def lost(request: Request, url: object, what: str) -> Unavailable:
    """Make the error for a request that was sent and whose effect is open."""
    says = f"{request.method} {url} {what}"
    return Unavailable(says) if request.only_reads else UnknownEffect(says)


def _sent(server: Server, request: Request, url: httpx.URL, address: str, deadline: float) -> Answer:
    left = max(deadline - time.monotonic(), 0.1)
    timeout = httpx.Timeout(left, connect=min(left, CONNECT_SECONDS))
    with httpx.Client(trust_env=False, follow_redirects=False, timeout=timeout) as client:
        built = client.build_request(
            request.method,
            url.copy_with(host=address),
            headers={
                "Host": url.netloc.decode("ascii"),
                "Accept-Encoding": "identity",
                "User-Agent": "aitia",
                **server.headers,
            },
            json=request.body,
            extensions={"sni_hostname": url.host},
        )
        answer = client.send(built, stream=True)
        try:
            body = _some_of(answer, server.longest_answer, deadline)
        finally:
            answer.close()
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status_code, headers, body, str(url), server.token)


def _some_of(answer: httpx.Response, most: int, deadline: float) -> bytes:
    """Read the beginning of a body; once the status is known, how it ends changes nothing."""
    body = b""
    try:
        for piece in answer.iter_raw():
            body += piece
            if len(body) > most or time.monotonic() > deadline:
                break
    except httpx.TransportError:
        return body
    return body[:most]


def token_of(file: Path | None) -> str:
    """Return the token that a file holds, empty if no file is named; Refused if it holds none."""
    if file is None:
        return ""
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"the token file {file} can not be read: {error}") from error
    if not token or not token.isprintable():
        raise Refused(f"the token file {file} holds no token")
    return token


def addresses(url: httpx.URL, *, private: bool) -> list[str]:
    """Resolve a host; Refused if any of its addresses is one that must not be asked."""
    try:
        found = socket.getaddrinfo(url.host, url.port or 0, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable(f"the name {url.host} can not be resolved: {error}") from error
    resolved = list(dict.fromkeys(str(each[4][0]) for each in found))
    allowed = private or _is_written_out(url.host)
    for address in resolved:
        judge(address, url.host, private=allowed)
    return resolved


def _is_written_out(host: str) -> bool:
    """Whether the connection itself says where it leads: an address, or the name that means this machine."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost"
    return True


def judge(address: str, host: str, *, private: bool) -> None:
    """Refuse an address that must not be asked, whatever form it is written in."""
    parsed = ipaddress.ip_address(address)
    for each in (parsed, *_inside(parsed)):
        if each.is_link_local or each.is_multicast or each.is_unspecified or str(each) in _METADATA:
            raise Refused(f"{host} is {address}, a link-local, multicast or metadata address: never asked")
        if not each.is_global and not private:
            raise Refused(
                f"{host} is {address}, which is private or on this machine; if that is meant, "
                "write private: true in the connection"
            )


def _inside(address: _Address) -> list[_Address]:
    """Return the IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        embedded.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in embedded if each is not None]

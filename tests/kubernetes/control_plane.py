"""A real Kubernetes control plane on loopback: etcd, API server, controllers, and nodes that are played.

There is no scheduler: a pod goes to the node that its template names. People are known to it by
token: an administrator, and readers who may do nothing until a role permits it.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from integrations.leash import leashed
from tests.kubernetes.people import ADMIN, READERS, Access

STARTS_WITHIN = 120.0
TOKENS = f'{ADMIN},admin,1,"system:masters"\n' + "".join(f"{each},{each},{each},\n" for each in READERS)


@contextmanager
def running_control_plane(programs: Path) -> Iterator[Access]:
    """Start everything, yield how to reach it, and stop everything by its id."""
    folder = Path(tempfile.mkdtemp(prefix="aitia-kubernetes-"))
    plane = _Plane(programs, folder)
    try:
        plane.start_etcd()
        access = plane.start_api_server()
        plane.start_controllers(access)
        yield access
    finally:
        plane.stop()
        shutil.rmtree(folder)


@dataclass
class _Plane:
    programs: Path
    folder: Path
    children: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    etcd: str = ""

    def start_etcd(self) -> None:
        self.etcd, peers = (f"http://127.0.0.1:{port}" for port in _free_ports(2))
        self.start(
            "etcd", f"--data-dir={self.folder}/etcd", "--unsafe-no-fsync",
            f"--listen-client-urls={self.etcd}", f"--advertise-client-urls={self.etcd}",
            f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
        )  # fmt: skip
        self.wait_for(f"{self.etcd}/health", verify=False)

    def start_api_server(self) -> Access:
        (port,) = _free_ports(1)
        key, tokens, certificates = (
            self.folder / "key.pem",
            self.folder / "tokens",
            self.folder / "certificates",
        )
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        tokens.write_text(TOKENS)
        self.start(
            "kube-apiserver", f"--etcd-servers={self.etcd}", "--bind-address=127.0.0.1",
            f"--secure-port={port}", f"--cert-dir={certificates}", "--service-cluster-ip-range=10.0.0.0/24",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://127.0.0.1", f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
        )  # fmt: skip
        access = Access(f"https://127.0.0.1:{port}", self.folder, certificates / "apiserver.crt")
        self.wait_for(f"{access.url}/readyz", verify=False)
        return access

    def start_controllers(self, access: Access) -> None:
        config = f"--kubeconfig={access.kubeconfig(ADMIN)}"
        controllers = "--controllers=deployment-controller,replicaset-controller"
        self.start("kube-controller-manager", config, controllers, "--leader-elect=false", "--secure-port=0")
        self.start("kwok", config, "--manage-all-nodes=true")

    def start(self, program: str, *words: str) -> None:
        with (self.folder / f"{program}.log").open("wb") as log:
            child = subprocess.Popen(
                leashed([self.programs / program, *words]), cwd=self.folder, stdout=log, stderr=log
            )
        self.children.append((program, child))

    def wait_for(self, url: str, *, verify: bool) -> None:
        """Wait until a page answers 200; tell what the newest program said if it does not."""
        program, child = self.children[-1]
        deadline = time.monotonic() + STARTS_WITHIN
        headers = {"Authorization": f"Bearer {ADMIN}"}
        while time.monotonic() < deadline and child.poll() is None:
            with suppress(httpx.TransportError):
                if (
                    httpx.get(url, verify=verify, headers=headers, trust_env=False).status_code
                    == httpx.codes.OK
                ):
                    return
            time.sleep(0.1)
        said = (self.folder / f"{program}.log").read_text(errors="replace")[-3000:]
        raise AssertionError(f"{program} did not start:\n{said}")

    def stop(self) -> None:
        """The last that was started goes first."""
        for _, child in reversed(self.children):
            child.terminate()
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _free_ports(count: int) -> Sequence[int]:
    """Ports that are free now; asked for together, so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports

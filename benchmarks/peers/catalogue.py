"""Which published methods can be compared with, where they come from, and what telemetry each is made for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from causal.errors import NotFound
from causal.telemetry import Telemetry

Needs = Literal["metrics", "spans", "metrics and logs or spans", "metrics and a call graph"]


@dataclass(frozen=True)
class Environment:
    """A virtual environment: which Pythons will do (best first), and what is installed into it.

    ``alone`` is installed without what it asks for, which is far more than the methods here use.
    """

    name: str
    pythons: tuple[str, ...]
    alone: tuple[str, ...]
    packages: tuple[str, ...]


RCAEVAL = Environment(
    name="rcaeval",
    pythons=("3.12", "3.10"),  # on others RCAEval leaves most of its methods out without a word
    alone=("RCAEval==1.8.1", "fse-baro==0.2.2", "drain3==0.9.11"),
    packages=(
        "numpy==1.26.4",
        "pandas==2.2.3",
        "pyarrow==17.0.0",
        "scikit-learn==1.7.2",
        "scipy==1.15.3",
        "matplotlib",
        "tqdm",
        "requests",
        "jsonpickle==1.5.1",
        "cachetools==4.2.1",
    ),
)
DOWHY = Environment(
    name="dowhy",
    pythons=("3.11", "3.12", "3.13"),
    alone=(),
    packages=(
        "dowhy==0.14",
        "numpy==2.4.6",
        "pandas==3.1.1",
        "scipy==1.15.3",
        "networkx==3.6.1",
        "pyarrow>=21",
    ),
)


@dataclass(frozen=True)
class Peer:
    """One published method."""

    name: str
    environment: Environment
    needs: Needs
    about: str

    def lacks(self, telemetry: Telemetry) -> bool:
        """Whether an incident has nothing that this method could look at."""
        now = telemetry.incident
        if self.needs == "spans":
            return not len(now.spans)
        if self.needs == "metrics and a call graph":
            return not (len(now.metrics) and telemetry.calls)
        return not len(now.metrics)


_ALL = (
    Peer("fse-baro", RCAEVAL, "metrics", "BARO (FSE 2024), its authors' package"),
    Peer("baro", RCAEVAL, "metrics", "BARO as RCAEval has it"),
    Peer("nsigma", RCAEVAL, "metrics", "the largest standard score of any metric"),
    Peer("mmbaro", RCAEVAL, "metrics and logs or spans", "BARO on metrics, log templates and spans"),
    Peer(
        "mmnsigma", RCAEVAL, "metrics and logs or spans", "standard scores of metrics, log templates, spans"
    ),
    Peer("tracerca", RCAEVAL, "spans", "TraceRCA (IWQoS 2021) as RCAEval has it"),
    Peer("tracerca-known", RCAEVAL, "spans", "the same without operations that quiet time never saw"),
    Peer("microrank", RCAEVAL, "spans", "MicroRank (WWW 2021) as RCAEval has it"),
    Peer("microrank-known", RCAEVAL, "spans", "the same without such operations, on 500 traces a window"),
    Peer(
        "dowhy",
        DOWHY,
        "metrics and a call graph",
        "anomaly traversal with dowhy's scorer (PetShop's baseline)",
    ),
    Peer(
        "dowhy-correlation",
        DOWHY,
        "metrics and a call graph",
        "anomalous nodes by correlation with the symptom",
    ),
)
PEERS: Mapping[str, Peer] = {peer.name: peer for peer in _ALL}
EVERY = "all"


def chosen(names: str) -> Sequence[Peer]:
    """Read a list of names with commas between them; "all" is every one of them."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if EVERY in wanted:
        return tuple(PEERS.values())
    unknown = [name for name in wanted if name not in PEERS]
    if unknown:
        raise NotFound(f"there is no peer {', '.join(unknown)}; known are {', '.join([*PEERS, EVERY])}")
    return tuple(PEERS[name] for name in dict.fromkeys(wanted))

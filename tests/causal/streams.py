"""Hours of traffic for the watch: entry spans of a chain of services, drawn with numpy."""

from dataclasses import dataclass

import numpy as np

from causal.telemetry import Column, SpanKind, Spans, Status

T0 = 1_700_000_000
CHAIN = ("gateway", "cart", "payment")


@dataclass(frozen=True)
class Fault:
    """From ``at`` to ``until`` (s) a service is slower by ``extra`` s, or fails in a share of requests."""

    service: str
    extra: float = 0.0
    fails: float = 0.0
    at: float = 0.0
    until: float = float("inf")


def stream(
    seconds: float,
    *,
    seed: int = 1,
    rate: float = 10.0,
    fault: Fault | None = None,
    earlier: Fault | None = None,
) -> Spans:
    """Requests down the chain: Poisson arrivals, lognormal work, hourly drift, moods by the minute."""
    faults = [each for each in (earlier, fault) if each is not None]
    dice = np.random.default_rng(seed)
    t = np.sort(dice.uniform(0.0, seconds, dice.poisson(rate * seconds)))
    minute = (t // 60).astype(int)
    mood = np.exp(dice.normal(0.0, 0.08, minute.max() + 1))[minute] * (
        1 + 0.15 * np.sin(2 * np.pi * t / 3600)
    )
    nervous = np.exp(dice.normal(0.0, 0.4, minute.max() + 1))[minute]
    length = np.zeros((len(t), len(CHAIN)))
    wrong = np.zeros((len(t), len(CHAIN)), dtype=bool)
    below, failed = np.zeros(len(t)), np.zeros(len(t), dtype=bool)
    for place in reversed(range(len(CHAIN))):
        own = 0.02 * np.exp(dice.normal(0.0, 0.5, len(t))) * mood
        bad = dice.uniform(size=len(t)) < 0.005 * nervous
        for ill in (each for each in faults if each.service == CHAIN[place]):
            during = (t >= ill.at) & (t < ill.until)
            own += np.where(during, ill.extra, 0.0)
            bad |= during & (dice.uniform(size=len(t)) < ill.fails)
        below, failed = below + own, failed | bad
        length[:, place], wrong[:, place] = below, failed
    return _table(t, length, wrong)


def _table(t: np.ndarray, length: np.ndarray, wrong: np.ndarray) -> Spans:
    rows, wide = length.size, len(CHAIN)
    service = np.tile(np.arange(wide, dtype=np.int32), len(t))
    none = Column(np.full(rows, -1, dtype=np.int32), ())
    span = np.arange(rows, dtype=np.int64)
    return Spans(
        trace=Column(np.repeat(np.arange(len(t), dtype=np.int32), wide), tuple(map(str, range(len(t))))),
        span=span,
        parent=np.where(service == 0, -1, span - 1),
        service=Column(service, CHAIN),
        instance=none,
        operation=Column(service, CHAIN),
        kind=np.full(rows, SpanKind.SERVER, dtype=np.int8),
        start_ns=(T0 * 10**9 + ((t[:, None] + 0.001 * np.arange(wide)) * 1e9)).astype(np.int64).ravel(),
        duration_ns=(length.ravel() * 1e9).astype(np.int64),
        status=np.where(wrong.ravel(), Status.ERROR, Status.UNSET).astype(np.int8),
        status_code=none,
        attributes=none,
    )

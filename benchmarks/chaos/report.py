"""What a run of chaos adds up to: counts, with the interval that so many incidents allow."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.chaos.conduct import Told
from benchmarks.chaos.judge import VIOLATIONS
from benchmarks.intervals import wilson


def summary(told: Sequence[Told], *, seed: int, seconds: float, audit: str) -> dict[str, Any]:
    """All figures of a run; ``audit`` is what the audit log's own check said, empty where it is well."""
    broken = {name: _with(told, name) for name in VIOLATIONS}
    return {
        "seed": seed,
        "incidents": len(told),
        "seconds": round(seconds),
        "acted_on": sum(bool(each.effects) for each in told),
        "effects": sum(len(each.effects) for each in told),
        "violations": {
            name: {"incidents": count, "interval": wilson(count, len(told))} for name, count in broken.items()
        },
        "audit": audit,
        "statuses": dict(Counter(each.status for each in told).most_common()),
        "blows": dict(Counter(blow for each in told for blow in each.landed).most_common()),
        "well": not any(broken.values()) and not audit,
        "told": [asdict(each) for each in sorted(told, key=lambda each: each.case.number)],
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as people read them."""
    n = figures["incidents"]
    lines = [
        f"{n} incidents in {figures['seconds']} s, seed {figures['seed']}",
        f"{figures['effects']} effects, in {figures['acted_on']} of them",
        "",
        f"{'what must not be':74} {'incidents':>9}   95 % interval",
    ]
    for name, found in figures["violations"].items():
        low, high = found["interval"]
        what = f"{name}: {VIOLATIONS[name]}"
        lines.append(f"{what:74} {found['incidents']:>9}   {low:.2%} to {high:.2%}")
    lines += ["", f"audit log: {figures['audit'] or 'intact'}", ""]
    lines += [f"{status:74} {count:>9}" for status, count in figures["statuses"].items()]
    lines += ["", *(f"{blow:74} {count:>9}" for blow, count in figures["blows"].items())]
    for each in figures["told"]:
        lines += [
            f"#{each['case']['number']} {each['incident']}: {finding['violation']}: {finding['says']}"
            for finding in each["findings"]
        ]
    return "\n".join(lines)


def _with(told: Sequence[Told], violation: str) -> int:
    return sum(any(finding.violation == violation for finding in each.findings) for each in told)

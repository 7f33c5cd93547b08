"""One incident from a seed and a number: a system is drawn, runs, is broken, alarms, and tells what it saw.

Everything that is drawn comes from dice named by seed, number, attempt and purpose, so that a case never
depends on which others were made. A fault that nobody at the doors would notice is no incident: then another
system is drawn, with the same kind of fault.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from benchmarks.simulation.chance import between
from benchmarks.simulation.conventions import Conventions, Shown, draw_conventions
from benchmarks.simulation.design import Design, Role
from benchmarks.simulation.drawing import draw_design
from benchmarks.simulation.faults import Cause, Plan, Scene, version
from benchmarks.simulation.life import live
from benchmarks.simulation.live import System
from benchmarks.simulation.monitor import LOOK, Alarm, Monitor
from benchmarks.simulation.outside import KINDS
from benchmarks.simulation.recorder import Recorder
from benchmarks.simulation.series import Row, read_regularly
from causal.errors import MalformedCase
from causal.evidence import Alert, Change, Symptom, Window
from integrations.arrow import LOGS, METRICS, TRACES, ArrowBatch
from integrations.cases import CaseRows, case_rows

SIZES = (5, 60)
_EPOCH = 1_790_000_000
_WARM_UP = 20.0
_QUIET = (120.0, 800.0)
_PATIENCE = 100.0
_INCIDENT = (40.0, 150.0)
_LONGEST = 180.0
_SPANS = (5_000, 26_000)
_MOST_CALLS = 12_000
_A_CALL = {Shown.BOTH: 1.8, Shown.INNER: 2.7, Shown.SERVER: 0.95}
_DRAWS, _ATTEMPTS = 60, 20
_GAP = 5.0
_INTERVALS = (1, 5, 10, 15, 30, 60)
_MOST_READINGS = 8_000


@dataclass(frozen=True)
class Simulated:
    """A case: the alert, its windows and rows, published calls, known changes, and the truth."""

    alert: Alert
    rows: CaseRows
    calls: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]
    truth: dict[str, Any]


@dataclass(frozen=True)
class _Casting:
    """What a case is drawn from; ``dice`` gives dice for a purpose."""

    seed: int
    number: int
    attempt: int
    sizes: tuple[int, int]

    def dice(self, purpose: str) -> random.Random:
        return random.Random(f"{self.seed}/{self.number}/{self.attempt}/{purpose}")


@dataclass(frozen=True)
class _Stage:
    """A system ready to run, and what will happen to it after so much quiet time."""

    system: System
    conventions: Conventions
    plan: Plan
    quiet: float
    metrics: list[Row]


def simulate(
    seed: int, number: int, sizes: tuple[int, int] = SIZES, kinds: Sequence[str] = tuple(KINDS)
) -> Simulated:
    """Make the case of a seed and a number; MalformedCase if no fault of these kinds can be felt."""
    kind = random.Random(f"{seed}/{number}/kind").choice(list(kinds))
    for attempt in range(_ATTEMPTS):
        casting = _Casting(seed, number, attempt, sizes)
        stage = _set(casting, kind)
        case = stage and _played(casting, stage)
        if case:
            return case
    where = f"seed {seed}, number {number}, {sizes[0]} to {sizes[1]} services"
    raise MalformedCase(f"no {kind} was felt in {_ATTEMPTS} systems; allow other sizes or kinds", where=where)


def _set(casting: _Casting, kind: str) -> _Stage | None:
    """Draw systems until one can have this fault."""
    dice = casting.dice("system")
    for _ in range(_DRAWS):
        quiet = between(dice, *_QUIET)
        low, high = casting.sizes
        size = round(between(dice, low, high))
        conventions = draw_conventions(dice, 0)
        wanted = between(dice, *_SPANS) * max(1.0, size / 100)
        calls = min(
            wanted / _A_CALL[conventions.shown] / conventions.sampling, _MOST_CALLS * max(1.0, size / 100)
        )
        design = draw_design(dice, size, calls / (quiet + 90.0))
        conventions = replace(
            draw_conventions(dice, len(design.cores)),
            shown=conventions.shown,
            sampling=conventions.sampling,
            interval=_affordable(conventions.interval, design, quiet),
        )
        if kind == "silent":
            conventions = replace(conventions, logs=True, traces=True)
        plan = KINDS[kind](Scene(design, dice))
        if plan is not None:
            return _Stage(_system(casting, design, conventions), conventions, plan, quiet, [])
    return None


def _affordable(interval: int, design: Design, quiet: float) -> int:
    """An interval at which so many instances can be read: large systems are read less often."""
    instances = sum(len(service.hosts) for service in design.services.values())
    allowed = [each for each in _INTERVALS if each >= interval and instances * quiet / each <= _MOST_READINGS]
    return allowed[0] if allowed else _INTERVALS[-1]


def _system(casting: _Casting, design: Design, conventions: Conventions) -> System:
    recorder = Recorder(conventions, casting.dice("records"), _EPOCH + casting.number * 10_000)
    return System(design, conventions, recorder, casting.dice("life"))


def _played(casting: _Casting, stage: _Stage) -> Simulated | None:
    """Run a system through quiet time, fault and alarm; None if nobody was alarmed."""
    system, dice = stage.system, casting.dice("story")
    live(system)
    system.env.process(read_regularly(system, stage.metrics))
    broken = _WARM_UP + stage.quiet + dice.uniform(5.0, 20.0)
    changes = _history(casting, stage, broken)
    for at, service, renewed in _releases(stage, changes):
        system.env.process(_release(system, at, service, renewed))
    system.env.run(until=broken)
    monitor = Monitor(system.recorder.fares, _WARM_UP, _WARM_UP + stage.quiet)
    stage.plan.act(system)
    alarm = _felt(system, monitor, broken) if stage.plan.felt else _unfelt(stage, monitor, broken, dice)
    if alarm is None:
        return None
    wanted = max(alarm.raised + dice.uniform(5.0, 40.0), alarm.onset + dice.uniform(*_INCIDENT))
    end = max(min(wanted, alarm.onset + _LONGEST), system.env.now)
    if end > system.env.now:
        system.env.run(until=end)
    return _cut(casting, stage, alarm, (broken, end), changes)


def _felt(system: System, monitor: Monitor, broken: float) -> Alarm | None:
    """Wait for an alarm about what happened just now."""
    while system.env.now < broken + _PATIENCE:
        system.env.run(until=system.env.now + LOOK)
        alarm = monitor.look(system.env.now)
        if alarm is not None and alarm.onset >= broken - 2 * LOOK:
            return alarm
    return None


def _unfelt(stage: _Stage, monitor: Monitor, broken: float, dice: random.Random) -> Alarm | None:
    """Somebody complains of what no monitor measures, or a monitor cries out when all is quiet."""
    env, until = stage.system.env, broken + dice.uniform(30.0, 90.0)
    heard: list[Alarm] = []
    while env.now < until:
        env.run(until=env.now + LOOK)
        heard += monitor.listen(env.now)
    if heard and not stage.plan.causes:
        return max(heard, key=lambda alarm: alarm.loudness)
    door = stage.system.design.arrivals[0].service
    return Alarm(door, "unknown", broken // LOOK * LOOK, env.now, 0.0, f"{door} does not do what it should")


def _history(casting: _Casting, stage: _Stage, broken: float) -> list[Change]:
    """What people changed: the fault's own change, if it has one, and innocent ones before and beside it."""
    dice, plan = casting.dice("changes"), stage.plan
    services = [each for each in stage.system.design.services.values() if each.role is not Role.EXTERNAL]
    ages = [dice.uniform(60.0, 1500.0) for _ in range(dice.randint(0, 3))]
    ages += [dice.uniform(-15.0, 60.0) for _ in range(dice.choice((0, 0, 1, 2)))]
    epoch = stage.system.recorder.epoch
    changes = []
    for age in ages:
        kind = dice.choice(("config", "config", "deployment"))
        named = (kind, dice.choice(("Tidy up", "Change a default", "Release", "Raise a limit")))
        changes.append(_change(dice, named, dice.choice(services).name, epoch + broken - age))
    if plan.change is not None:
        at = epoch + broken - dice.uniform(0.0, 3.0)
        change = _change(dice, plan.change, plan.causes[0].service, at)
        changes.append(change.model_copy(update={"id": plan.version}) if plan.version else change)
    changes.sort(key=lambda change: change.at)
    before = [f"{casting.number:040x}", *(change.id for change in changes)]
    return [c.model_copy(update={"previous": p}) for c, p in zip(changes, before, strict=False)]


def _change(dice: random.Random, named: tuple[str, str], service: str, at: float) -> Change:
    kind, title = named
    known = version(dice) if kind == "deployment" else f"{dice.getrandbits(160):040x}"
    facts = {"id": known, "kind": kind, "service": service, "at": round(at, 3), "repository": "system-config"}
    return Change.model_validate(facts | {"title": f"{title} of {service}", "author": "somebody"})


def _releases(stage: _Stage, changes: list[Change]) -> list[tuple[float, str, str]]:
    """The innocent deployments within the simulated time: a version changes and nothing else does."""
    epoch = stage.system.recorder.epoch
    return [
        (change.at - epoch, change.service or "", change.id)
        for change in changes
        if change.kind == "deployment" and change.id != stage.plan.version and change.at > epoch
    ]


def _release(system: System, at: float, service: str, renewed: str) -> Any:
    yield system.env.timeout(at)
    running = system.services[service]
    running.design = replace(running.design, version=renewed)


def _cut(
    casting: _Casting, stage: _Stage, alarm: Alarm, times: tuple[float, float], changes: list[Change]
) -> Simulated:
    """What an incident's snapshot would hold, and the truth."""
    broken, end = times
    epoch, conventions = stage.system.recorder.epoch, stage.conventions
    calm = min(alarm.onset, alarm.raised) - _GAP
    incident = Window(start=epoch + alarm.onset, end=epoch + end)
    baseline = Window(start=epoch + max(calm - stage.quiet, _WARM_UP), end=epoch + calm)
    rows = case_rows(_tables(stage), baseline=baseline, incident=incident)
    known = [change for change in changes if change.at <= epoch + end] if conventions.changes else []
    name = f"case_{casting.number:04}"
    alert = Alert(
        fingerprint=f"{casting.dice('name').getrandbits(64):016x}",
        source="monitor",
        system=stage.system.design.name,
        symptom=Symptom(service=alarm.door, signal=alarm.signal),
        raised_at=float(round(epoch + alarm.raised)),
        began_at=epoch + alarm.onset if conventions.onset else None,
        summary=alarm.says,
    )
    calls = _published(stage) if conventions.graph else ()
    return Simulated(alert, rows, calls, tuple(known), _truth(casting, stage, alarm, broken, name))


def _tables(stage: _Stage) -> ArrowBatch:
    recorder, conventions = stage.system.recorder, stage.conventions
    logs = recorder.logs if conventions.logs else []
    return ArrowBatch(_table(TRACES, recorder.spans), _table(METRICS, stage.metrics), _table(LOGS, logs))


def _table(schema: pa.Schema, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema
    )


def _published(stage: _Stage) -> tuple[tuple[str, str], ...]:
    """The calls that the design has; a cache is called, too."""
    pairs = set()
    for service in stage.system.design.services.values():
        for operation in service.operations:
            made = list(operation.calls)
            made += [operation.agent.model, *operation.agent.tools] if operation.agent else []
            for call in made:
                pairs |= {(service.name, to) for to in (call.to, call.cached_by) if to and to != service.name}
    return tuple(sorted(pairs))


def _names(stage: _Stage, plan: Plan) -> bool:
    """Whether anything that is recorded names whoever is to blame."""
    conventions, hidden = stage.conventions, plan.causes[0].service if plan.causes else ""
    service = stage.system.design.services.get(hidden)
    own = conventions.traces and service is not None and service.spans
    calls = own or (conventions.traces and conventions.attributes and conventions.shown is not Shown.SERVER)
    measured = conventions.metrics and (conventions.edges or any(row[1] == hidden for row in stage.metrics))
    return calls or measured or conventions.graph


def _truth(casting: _Casting, stage: _Stage, alarm: Alarm, broken: float, name: str) -> dict[str, Any]:
    plan, system = stage.plan, stage.system
    causes = []
    named = plan.callers if len(plan.callers) == 1 or not _names(stage, plan) else ()
    for cause in (*plan.causes, *(Cause(caller, "caller") for caller in named)):
        running = system.services.get(cause.service)
        pod = running.instances[cause.pod].place.instance if running and cause.pod is not None else None
        causes.append(
            {"service": cause.service, "pod": pod, "fault": plan.kind, "indicator": None, "role": cause.role}
        )
    notes = {
        "case": name,
        "since_unix": round(system.recorder.epoch + broken, 3),
        "attempt": casting.attempt,
        "services": len(system.services),
        "customers_per_second": round(system.design.rate, 3),
        "loudness": round(alarm.loudness, 1),
        "changed": plan.change is not None and stage.conventions.changes,
        **plan.facts,
    }
    return {
        "root_causes": causes,
        "source": f"simulation, seed {casting.seed}, number {casting.number}",
        "notes": json.dumps(notes),
    }

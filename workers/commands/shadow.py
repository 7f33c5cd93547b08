"""``aitia shadow``: what automation would have done, set beside what people did.

Exit codes: 0 told; 1 the site's record cannot be read; 2 wrong usage.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from causal.errors import AitiaError, NotFound
from integrations.ports import AuditRow
from playbooks.gate import GateInput, read_policy
from playbooks.remedy import Plan
from playbooks.shadow import Asked, Rate, Report, Score, Shadowed, shadow
from playbooks.words import plain
from workers.commands.options import AsJson
from workers.settings import Settings, read_settings


def tell_shadow(
    *,
    as_json: AsJson = False,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="at most so many incidents, the newest")
    ] = 1000,
    each: Annotated[bool, typer.Option("--each", help="tell of each incident as well")] = False,
) -> None:
    """Compare what automation would have done with what people did: the evidence for raising autonomy."""
    report = _report(read_settings(), limit)
    if as_json:
        typer.echo(report.model_dump_json(indent=1))
        return
    if not report.scores:
        typer.echo("no incident has ended with a proposal yet")
    for line in _lines(report, each=each):
        typer.echo(plain(line))


def asked_by(rows: Iterable[AuditRow]) -> Asked:
    """What the gate looked at when each plan was made, as the audit log has it."""
    found: dict[tuple[str, str], GateInput] = {}
    for row in rows:
        if row.entry.event == "gate.decided":
            given = GateInput.model_validate(row.entry.facts["given"])
            found.setdefault((given.incident, given.plan_digest), given)

    def asked(incident: str, plan: Plan) -> GateInput | None:
        return found.get((incident, plan.digest()))

    return asked


def _report(settings: Settings, limit: int) -> Report:
    from integrations.database import open_database  # a quarter of a second that only this command should pay
    from integrations.store import SqlAuditLog, SqlIncidents

    policy = settings.policy_file.read_text(encoding="utf-8") if settings.policy_file.exists() else ""
    budget = read_policy(policy, str(settings.policy_file)).error_budget
    try:
        engine = open_database(settings.database_url, create=False)
    except NotFound:
        return Report()
    try:
        return shadow(SqlIncidents(engine).all(limit), asked_by(SqlAuditLog(engine).rows()), budget)
    except (KeyError, ValueError) as error:
        raise AitiaError(f"a decision on record cannot be read: {error}") from error
    finally:
        engine.dispose()


def _lines(report: Report, *, each: bool) -> Iterable[str]:
    for score in report.scores:
        yield _title(score)
        yield f"  agreed {_rate(score.agreement)}, wrong {_rate(score.wrong)}, harmful {_rate(score.harmful)}"
        yield f"  needless {score.needless}, unknown {score.unknown}; {_alone(score)}"
        yield f"  {_verdict(score)}"
    if each:
        yield from (_line(known) for known in report.incidents)


def _title(score: Score) -> str:
    kind = f"{score.playbook} for {score.fault.replace('_', ' ')}" if score.fault else "all playbooks"
    return f"{kind}: {score.incidents} incidents"


def _rate(rate: Rate) -> str:
    return f"{rate.count}/{rate.of} ({rate.low:.0%} to {rate.high:.0%})"


def _alone(score: Score) -> str:
    return f"{score.alone} would have been done alone, wrong {_rate(score.wrong_alone)}"


def _verdict(score: Score) -> str:
    if score.enough:
        return f"at most {score.worst:.1%} would have been wrong: within the budget, autonomy may be raised"
    return f"up to {score.worst:.1%} may have been wrong: {score.lacking} more right ones in a row are needed"


def _line(known: Shadowed) -> str:
    alone = "alone" if known.alone else f"asked ({known.kept_by})"
    return f"{known.incident}  {known.playbook} on {known.service}, {alone}: {known.judgement}; {known.says}"


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command("shadow")(tell_shadow)

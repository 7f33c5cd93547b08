"""Made-up tickets for the tests of every rendering."""

from __future__ import annotations

from causal.evidence import Alert, Change, Diagnosis, Entity, EntityKind, Evidence, Fault, Hypothesis, Symptom
from playbooks.remedy import (
    ApprovalRequest,
    Attempt,
    AttemptStatus,
    Decision,
    Plan,
    PlannedStep,
    PlannedUndo,
    Proposal,
    StepResult,
    StepStatus,
    Verdict,
    Verification,
)
from playbooks.ticket import ENDED, Happening, Link, Ticket, TicketStatus

BEGAN = 1_795_000_000.0
COMMIT = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334"
DIFF = """\
--- a/services/cart.yaml
+++ b/services/cart.yaml
@@ -3,3 +3,3 @@
 name: cart
-pool: 2
+pool: 20
 timeout: 1.5
"""


def alert(**changes: object) -> Alert:
    words = "More than 5 % of the requests to checkout have failed for two minutes"
    made = Alert(
        fingerprint="3f2a91bc77aa01de",
        source="alertmanager",
        symptom=Symptom(service="checkout", signal="errors", operation="POST /checkout"),
        raised_at=BEGAN + 14,
        began_at=BEGAN,
        summary=words,
        url="http://127.0.0.1:9090/graph?g0.expr=rate",
    )
    return made.model_copy(update=changes)


def change() -> Change:
    return Change(
        id=COMMIT,
        kind="config",
        service="cart",
        at=BEGAN - 6,
        repository="shop-config",
        title="Reduce the connection pool of cart",
        author="Alice Example",
        files=("services/cart.yaml",),
    )


def hypotheses() -> tuple[Hypothesis, ...]:
    cart = Hypothesis(
        service="cart",
        entity=Entity(kind=EntityKind.CHANGE, name=COMMIT[:7], service="cart"),
        fault=Fault.CONFIG_CHANGE,
        probability=0.934,
        raw_probability=0.881,
        path=("cart", "checkout", "gateway"),
        evidence=(
            Evidence(
                says="Calls to cart wait 2.4 s longer for a free database connection than in quiet time, "
                "which is 31 times the usual spread",
                signal="gap",
                log_bayes_factor=12.31,
            ),
            Evidence(
                says="services/cart.yaml changed 6 s before the first slow call",
                signal="change",
                log_bayes_factor=4.1,
            ),
            Evidence(
                says="cart is busy with itself for no longer than before",
                signal="time",
                log_bayes_factor=0.42,
            ),
        ),
        against=(
            Evidence(
                says="Two of nine instances are as quick as before", signal="time", log_bayes_factor=-0.7
            ),
        ),
        missing=("no metrics of the host that cart runs on",),
        next_check="Look at db.client.connection.count of cart: at its limit since the change, or not?",
        change=change(),
        onset=BEGAN + 1.5,
    )
    payment = Hypothesis(
        service="payment",
        entity=Entity.of_service("payment"),
        fault=Fault.LATENCY,
        probability=0.041,
        raw_probability=0.07,
        path=("payment", "checkout"),
        evidence=(Evidence(says="payment takes 0.2 s longer", signal="time", log_bayes_factor=1.2),),
    )
    network = Hypothesis(
        service="catalogue",
        entity=Entity(kind=EntityKind.EDGE, name="cart->catalogue", service="catalogue"),
        fault=Fault.NETWORK_DELAY,
        probability=0.0003,
        raw_probability=0.001,
        path=("catalogue", "cart", "checkout"),
    )
    other = network.model_copy(update={"service": "recommendation", "probability": 0.0127})
    return (cart, payment, network, other)


def diagnosis() -> Diagnosis:
    return Diagnosis(
        engine="aitia 0.1.0",
        hypotheses=hypotheses(),
        none_of_these=0.012,
        minimal_set=("service:cart",),
        missing_evidence=("7 % of the spans have no parent", "no logs of checkout"),
        method="leaky noisy-OR, exact",
        inputs="9c1e" * 16,
    )


def plan(**changes: object) -> Plan:
    undo = PlannedUndo(action="git.revert_revert", target="shop-config")
    made = Plan(
        id="plan-1",
        incident="inc-3f2a91bc-1",
        playbook="revert-config-change",
        description="Put a service's configuration back to the commit before the one that broke it.",
        impact="high",
        service="cart",
        fault=Fault.CONFIG_CHANGE,
        cause="change:a1b2c3d",
        probability=0.934,
        confidence=0.82,
        confidence_floor=0.61,
        steps=(
            PlannedStep(id="revert", action="git.revert", target="shop-config", preview=DIFF, undo=undo),
            PlannedStep(id="reload", action="http.request", target="shop-admin", preview="POST /reload/cart"),
        ),
        signal="errors",
        within=600,
        quiet_for=180,
        approvers=("sre",),
    )
    return made.model_copy(update=changes)


def proposals() -> tuple[Proposal, ...]:
    ask = Decision(
        verdict=Verdict.ASK,
        probability=0.934,
        confidence_floor=0.61,
        reasons=("a high impact always asks a human", "0.57 (0.934 times 0.61) is below 0.99"),
    )
    restart = plan(
        id="plan-2",
        playbook="restart-service",
        description="Restart a service.",
        impact="low",
        steps=(PlannedStep(id="restart", action="process.restart", target="cart"),),
    )
    leave = Decision(verdict=Verdict.LEAVE, reasons=("cart was restarted 4 min ago; cooldown 30 min",))
    return (Proposal(plan=restart, decision=leave), Proposal(plan=plan(), decision=ask))


def request(status: str = "open") -> ApprovalRequest:
    made = ApprovalRequest(
        id="apr-77c0",
        incident="inc-3f2a91bc-1",
        plan="plan-1",
        plan_digest="ab" * 32,
        approvers=("sre",),
        asked_at=BEGAN + 20,
        expires_at=BEGAN + 1820,
    )
    by = ("bob",) if status in {"approved", "declined"} else ()
    because = "the deploy freeze is on" if status == "declined" else ""
    return made.model_copy(update={"status": status, "answered_by": by, "because": because})


def attempt(status: AttemptStatus) -> Attempt:
    failed = status is AttemptStatus.FAILED
    results = (
        StepResult(
            step="revert",
            action="git.revert",
            key="k1",
            status=StepStatus.DONE,
            detail="commit 99aa00f",
            started_at=BEGAN + 60,
            ended_at=BEGAN + 60.4,
        ),
        StepResult(
            step="reload",
            action="http.request",
            key="k2",
            status=StepStatus.FAILED if failed else StepStatus.ALREADY_DONE,
            detail="the admin port answered 500 three times" if failed else "",
            started_at=BEGAN + 61,
            ended_at=BEGAN + 63,
        ),
    )
    undone = StepResult(step="revert", action="git.revert_revert", key="k3", status=StepStatus.UNDONE)
    recovered = status is AttemptStatus.RECOVERED
    says = (
        "errors of checkout: 0.2 % of requests, as in quiet time, for 180 s"
        if recovered
        else ("errors of checkout: still 31 % of requests after 600 s")
    )
    return Attempt(
        plan=plan(),
        decision=proposals()[1].decision,
        status=status,
        approved_by=("bob",),
        results=results,
        undone=(undone,) if failed else (),
        verification=None if failed else Verification(recovered=recovered, says=says),
    )


_APPROVALS = {"waiting_for_approval": "open", "declined": "declined", "expired": "expired"}
_ATTEMPTS = {
    "recovered": AttemptStatus.RECOVERED,
    "not_recovered": AttemptStatus.NOT_RECOVERED,
    "failed": AttemptStatus.FAILED,
}


def ticket(status: TicketStatus = "waiting_for_approval", **changes: object) -> Ticket:
    """A ticket that is as full as one of its status can be."""
    planned = status not in {"observing", "diagnosing", "planning"}
    made = Ticket(
        id="inc-3f2a91bc-1",
        title="checkout: errors",
        status=status,
        opened_at=BEGAN + 14,
        updated_at=BEGAN + 21,
        ended_at=BEGAN + 300 if status in ENDED else None,
        alert=alert(),
        duplicates=2,
        joined=(alert(fingerprint="77", summary="gateway is slow"),),
        diagnosis=None if status in {"observing", "diagnosing"} else diagnosis(),
        proposals=proposals() if planned else (),
        approval=request(_APPROVALS.get(status, "approved"))
        if planned and status != "left_to_humans"
        else None,
        attempts=(attempt(_ATTEMPTS[status]),) if status in _ATTEMPTS else (),
        timeline=(
            Happening(at=BEGAN + 14, says="alert from alertmanager"),
            Happening(at=BEGAN + 17.2, says="diagnosis: cart, configuration change, 93.4 %"),
        ),
        links=(Link(title="console", url="http://127.0.0.1:8088/incidents/inc-3f2a91bc-1"),),
        snapshot="sha256-5d41402abc4b2a76",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    )
    return made.model_copy(update=changes)

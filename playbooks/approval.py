"""The approval protocol: what an approval is for, who may give it, and which answers count.

A question is bound by one digest (`binding`) to the exact plan, its parameters and targets, the diagnosis
that it answers and the moment until which it is open. An answer counts if it carries that digest and a
one-shot token, comes in time, and comes from somebody who is entitled to it; whatever else comes is refused
with its reason, and changes nothing. That two people must agree, and that nobody decides on what they asked
for themselves, is the separation of duties of Saltzer and Schroeder ("The protection of information in
computer systems", Proc. IEEE 63, 1975) and of Clark and Wilson ("A comparison of commercial and military
computer security policies", IEEE S&P 1987).

One-shot tokens. Each vote has a token of its own, an HMAC (RFC 2104) of the binding under the house's key;
it is what buttons and links carry, and it is written down nowhere. The door passes on its SHA-256, the
*proof*; the question keeps the SHA-256 of that, the *seal*. So whoever can read the question, the history
of its workflow or the audit log can make no answer of it: a proof is there only once it is spent.

Who is entitled: who has one of the approvers' roles; from the escalation on, also who has one of the roles
escalated to; whom one of these handed their vote to. A question that names no approvers is open to every
known person. Nobody counts twice, in whatever way their name is written.

Everything here is a pure function of values; time comes from outside.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Literal

from causal.evidence import Alert
from playbooks.gate import targets
from playbooks.people import OPERATOR
from playbooks.remedy import ApprovalAnswer, ApprovalRequest, Delegation, Handover, Plan, Vote

RAISED_BY = "aitia_raised_by"
"""The label by which the door says which person raised an alert; nobody else's is let in."""


def raised_by(alert: Alert, person: str) -> Alert:
    """Return an alert that says who raised it (empty: a machine), whatever it said of that itself."""
    labels = {name: value for name, value in alert.labels.items() if name != RAISED_BY}
    return alert.model_copy(update={"labels": labels | ({RAISED_BY: person} if person else {})})


def askers(alert: Alert) -> tuple[str, ...]:
    """Return who brought the plans for an alert about, and so may not approve them."""
    return tuple(filter(None, (alert.labels.get(RAISED_BY, ""),)))


def binding(plan: Plan, approval: str, expires_at: float) -> str:
    """Return the digest (SHA-256, hex) of everything that an approval is for."""
    bound = {
        "approval": approval,
        "plan": plan.digest(),
        "parameters": plan.parameters,
        "targets": sorted(targets(plan)),
        "evidence": plan.evidence,
        "expires_at": expires_at,
    }
    return _sha256(json.dumps(bound, sort_keys=True, separators=(",", ":")))


def question(plan: Plan, *, asked_by: tuple[str, ...] = (), now: float) -> ApprovalRequest:
    """Ask about a plan, open until its time is over; nothing counts before the house has `sealed` it."""
    name, expires_at = f"{plan.incident}-{plan.id}", now + plan.approval_expires
    wait = plan.escalate_after if plan.escalate_after is not None else plan.approval_expires / 2
    return ApprovalRequest(
        id=name,
        incident=plan.incident,
        plan=plan.id,
        plan_digest=plan.digest(),
        binding=binding(plan, name, expires_at),
        title=f"{plan.playbook} on {plan.service}",
        approvers=plan.approvers,
        quorum=plan.quorum,
        asked_by=asked_by,
        asked_at=now,
        expires_at=expires_at,
        escalate_to=plan.escalate_to,
        escalate_at=now + wait if plan.escalate_to else None,
    )


def sealed(request: ApprovalRequest, key: bytes) -> ApprovalRequest:
    """Put the seals of its one-shot tokens on a question; the same key gives the same seals."""
    tokens = [_token(request, key, number) for number in range(request.quorum)]
    return request.model_copy(update={"seals": tuple(seal_of(proof_of(token)) for token in tokens)})


def token_of(request: ApprovalRequest, key: bytes) -> str:
    """Return the token that the next answer needs: what a button or a link carries, and nothing keeps."""
    return _token(request, key, len(request.votes))


def proof_of(token: str) -> str:
    """Return what the door passes on in place of a token."""
    return _sha256(token)


def seal_of(proof: str) -> str:
    """Return what a question keeps of a token."""
    return _sha256(proof)


def right_of(request: ApprovalRequest, by: str, roles: Iterable[str]) -> str:
    """Return by what right a person may answer: a role, or a vote handed to them; empty if they may not."""
    if any(same_person(each.by, by) for each in request.delegations):
        return ""
    if role := _own_right(request, roles):
        return role
    return next((f"for {each.by}" for each in request.delegations if same_person(each.to, by)), "")


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's, however they are written."""
    return _folded(one) == _folded(other)


def refusal(request: ApprovalRequest | None, answer: ApprovalAnswer, *, now: float) -> str | None:
    """Return why an answer does not count, or None if it does."""
    if request is None:
        return "nothing was asked yet"
    return next(_against_answer(request, answer, now), None)


def answered(request: ApprovalRequest, answer: ApprovalAnswer, *, now: float) -> ApprovalRequest:
    """Return the question after an answer that counts: one vote more, or declined."""
    by = (*request.answered_by, answer.by)
    if not answer.approve:
        it_was = answer.it_was and answer.it_was.model_copy(
            update={"by": answer.by, "because": answer.because, "at": now}
        )
        no = {"status": "declined", "answered_by": by, "because": answer.because, "corrected": it_was}
        return request.model_copy(update=no)
    right = right_of(request, answer.by, answer.roles)
    votes = (*request.votes, Vote(by=answer.by, at=now, right=right))
    status = "approved" if len(votes) >= request.quorum else "open"
    yes = {"status": status, "votes": votes, "answered_by": by, "because": answer.because}
    return request.model_copy(update=yes)


def handover_refusal(request: ApprovalRequest | None, wish: Handover, *, now: float) -> str | None:
    """Return why a vote cannot be handed over, or None if it can."""
    if request is None:
        return "nothing was asked yet"
    return next(_against_handover(request, wish, now), None)


def handed_over(request: ApprovalRequest, wish: Handover, *, now: float) -> ApprovalRequest:
    """Return the question after a vote was handed over."""
    handed = Delegation(by=wish.by, to=wish.to, at=now)
    return request.model_copy(update={"delegations": (*request.delegations, handed)})


def next_turn(request: ApprovalRequest) -> float:
    """Return when (Unix seconds) something happens to an open question by itself: escalation or expiry."""
    if request.escalate_at is not None and request.escalated_at is None:
        return min(request.escalate_at, request.expires_at)
    return request.expires_at


def turned(request: ApprovalRequest, *, now: float) -> ApprovalRequest:
    """Return an open question as it is by now: expired, escalated, or as it was."""
    if now >= request.expires_at:
        return ended(request, "expired", _too_few(request))
    if request.escalate_at is not None and request.escalated_at is None and now >= request.escalate_at:
        return request.model_copy(update={"escalated_at": now})
    return request


def ended(request: ApprovalRequest, status: Literal["withdrawn", "expired"], because: str) -> ApprovalRequest:
    """Return a question that was closed without an answer: that is a no."""
    return request.model_copy(update={"status": status, "because": because})


def flaw(request: ApprovalRequest, plan: Plan, *, now: float) -> str | None:
    """Return why this approval does not let this plan begin now, or None if it does.

    Looked at once more right before the first step, from what is on record alone.
    """
    voters = {_folded(vote.by) for vote in request.votes}
    if request.status != "approved":
        return f"{request.id} is {request.status}, not approved"
    if request.binding != binding(plan, request.id, request.expires_at):
        return "the plan is not the one that was approved; a changed plan needs a new approval"
    if len(voters) < request.quorum or voters & set(map(_folded, request.asked_by)):
        return f"{request.id} has not the {request.quorum} votes of others that it needs"
    if now >= request.expires_at:
        return f"the approval ran out {now - request.expires_at:.0f} s before the first step"
    return None


def _against_answer(request: ApprovalRequest, answer: ApprovalAnswer, now: float) -> Iterator[str]:
    yield from _against_either(request, answer, now)
    yield from _against_token(request, answer)
    yield from _against_person(request, answer.by, answer.roles)
    if answer.approve and _among(answer.by, request.asked_by):
        yield f"{answer.by} asked for this, so somebody else approves it"
    if answer.approve and _among(answer.by, (vote.by for vote in request.votes)):
        yield f"{answer.by} has approved it already; it needs {request.quorum} different people"
    if not answer.approve and not answer.because.strip() and answer.it_was is None:
        yield "a decline needs a reason (because), or what it was instead (it_was)"


def _against_handover(request: ApprovalRequest, wish: Handover, now: float) -> Iterator[str]:
    yield from _against_either(request, wish, now)
    yield from _against_person(request, wish.by, wish.roles)
    if _among(wish.by, request.asked_by):
        yield f"{wish.by} asked for this, and has no vote to hand over"
    if not wish.to.strip():
        yield "name the person who is to answer instead"
    if not _own_right(request, wish.roles):
        yield f"the vote was handed to {wish.by}; only who has it by a role can hand it over"
    if _among(wish.by, (vote.by for vote in request.votes)):
        yield f"{wish.by} has voted already"
    if _among(wish.to, (wish.by, *request.asked_by)):
        yield f"{wish.to} cannot vote for {wish.by} here: who asked may not approve, nor vote twice"
    if right_of(request, wish.to, wish.to_roles):
        yield f"{wish.to} may answer already"
    if _among(wish.to, (each.by for each in request.delegations)):
        yield f"{wish.to} has handed their own vote over"


def _against_either(request: ApprovalRequest, said: ApprovalAnswer | Handover, now: float) -> Iterator[str]:
    if said.approval != request.id:
        yield f"this answer is for {said.approval}, the open question is {request.id}"
    if request.status != "open":
        yield f"{request.id} is {request.status} already; an answer counts once"
    if now >= request.expires_at:
        yield f"{request.id} expired {now - request.expires_at:.0f} s ago"
    if said.binding != request.binding:
        yield f"this answer is for another plan than the one that {request.id} asks about"


def _against_token(request: ApprovalRequest, answer: ApprovalAnswer) -> Iterator[str]:
    seal, used = seal_of(answer.proof), len(request.votes)
    if any(hmac.compare_digest(seal, each) for each in request.seals[:used]):
        yield "this token was used already; look at the question again, it has a new one"
    if not hmac.compare_digest(seal, next(iter(request.seals[used:]), "")):
        yield f"this is no token of {request.id}; look at the question again"


def _against_person(request: ApprovalRequest, by: str, roles: tuple[str, ...]) -> Iterator[str]:
    if not by.strip():
        yield "an answer needs a name: who is it from?"
    if right_of(request, by, roles):
        return
    if to := [each.to for each in request.delegations if same_person(each.by, by)]:
        yield f"{by} has handed their vote to {to[0]}"
    if set(roles) & set(request.escalate_to):
        yield f"{by} may answer only once nobody else did in time"
    yield f"{by} has none of the roles that may answer: {', '.join(request.approvers)}"


def _own_right(request: ApprovalRequest, roles: Iterable[str]) -> str:
    has = set(roles)
    if OPERATOR in has or not request.approvers:
        return OPERATOR if OPERATOR in has else "known person"
    later = request.escalate_to if request.escalated_at is not None else ()
    return next((role for role in (*request.approvers, *later) if role in has), "")


def _too_few(request: ApprovalRequest) -> str:
    if not request.votes:
        return "nobody answered in time"
    return f"{len(request.votes)} of {request.quorum} approved in time"


def _among(name: str, names: Iterable[str]) -> bool:
    return any(same_person(name, each) for each in names)


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _token(request: ApprovalRequest, key: bytes, number: int) -> str:
    made = hmac.new(key, f"{request.binding}:{number}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""The approval protocol as a pure rule: which answers count.

An answer counts once, for one exact plan, until it expires. Everything else is refused with its reason.
"""

from __future__ import annotations

from playbooks.remedy import ApprovalAnswer, ApprovalRequest


def refusal(request: ApprovalRequest | None, answer: ApprovalAnswer, *, now: float) -> str | None:
    """Why an answer does not count, or None if it does."""
    if request is None:
        return "nothing was asked yet"
    if answer.approval != request.id:
        return f"this answer is for {answer.approval}, the open question is {request.id}"
    if request.status != "open":
        return f"{request.id} is {request.status} already; an answer counts once"
    if now >= request.expires_at:
        return f"{request.id} expired {now - request.expires_at:.0f} s ago"
    if answer.plan_digest != request.plan_digest:
        return f"this answer is for another plan than the one that {request.id} asks about"
    if not answer.by.strip():
        return "an answer needs a name: who is it from?"
    if not answer.approve and not answer.because.strip():
        return "a decline needs a reason (because)"
    return None

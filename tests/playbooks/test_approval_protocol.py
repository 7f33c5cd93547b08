"""The approval protocol, whatever happens in whatever order.

The machine plays askers, approvers, thieves of old answers and editors of plans, and the passing of time. It
keeps its own simple record of who may say what, and holds it against what the protocol let pass.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from causal.evidence import Fault
from playbooks.approval import (
    answered,
    binding,
    flaw,
    handed_over,
    handover_refusal,
    proof_of,
    question,
    refusal,
    sealed,
    token_of,
    turned,
)
from playbooks.remedy import ApprovalAnswer, Handover, Plan, PlannedStep

KEY = b"the key of the house"
ROLES = {
    "ada": ("sre",),
    "Ada ": ("sre",),  # the same person, written otherwise
    "bob": ("sre", "dba"),
    "cleo": ("dba",),
    "eve": ("sre-lead",),
    "kim": (),
    "zoe": ("sre",),
}
PEOPLE = st.sampled_from(sorted(ROLES))
PLANS = st.sampled_from(["cart", "till"])


def person(name: str) -> str:
    return name.strip().lower()


def plan_for(service: str, quorum: int) -> Plan:
    return Plan(
        id="p1",
        incident="inc-1",
        playbook="mend",
        service=service,
        fault=Fault.ERRORS,
        parameters={"service": service},
        steps=(PlannedStep(id="first", action="memory.act", target=f"process:{service}"),),
        approvers=("sre",),
        quorum=quorum,
        approval_expires=100.0,
        escalate_to=("sre-lead",),
        escalate_after=40.0,
    )


class Protocol(RuleBasedStateMachine):
    """One question about one plan, and everything that people and time can do to it."""

    @initialize(quorum=st.integers(1, 3), asker=st.sampled_from(["", "zoe", "bob"]))
    def ask(self, quorum: int, asker: str) -> None:
        self.now = 1000.0
        self.began = self.now
        self.plan = plan_for("cart", quorum)
        self.asker = asker
        asked = question(self.plan, asked_by=(asker,) if asker else (), now=self.now)
        self.request = sealed(asked, KEY)
        self.open_before = True
        self.counted: list[tuple[ApprovalAnswer, float]] = []
        self.deputies: dict[str, str] = {}

    def may(self, name: str) -> bool:
        """By this test's own record: whether this person may answer now."""
        who = person(name)
        if who in self.deputies:
            return False
        escalated = self.now >= self.began + 40.0
        allowed = {"sre", "sre-lead"} if escalated else {"sre"}
        return bool(allowed & set(ROLES[name])) or who in self.deputies.values()

    @rule(by=PEOPLE)
    def approve(self, by: str) -> None:
        """An honest yes counts exactly where this test's own record says so."""
        voted = {person(answer.by) for answer, _ in self.counted}
        stranger = person(by) != self.asker and person(by) not in voted
        counts = self.is_open() and self.may(by) and stranger
        assert self.send(self.saying(by)) == counts

    @rule(by=PEOPLE, likely=st.integers(0, 3))
    def decline(self, by: str, likely: int) -> None:
        if likely == 0:  # a no ends it all, and most runs should get further
            no = self.saying(by).model_copy(update={"approve": False, "because": "no"})
            assert self.send(no) == (self.open_before and self.may(by))

    @rule(by=PEOPLE)
    def approve_with_a_token_that_was_spent(self, by: str) -> None:
        spent = token_of(self.request.model_copy(update={"votes": ()}), KEY)
        if self.request.votes:
            assert not self.send(self.saying(by).model_copy(update={"proof": proof_of(spent)}))

    @rule(by=PEOPLE)
    def approve_another_plan(self, by: str) -> None:
        other = plan_for("till", self.plan.quorum)
        bound = binding(other, self.request.id, self.request.expires_at)
        assert not self.send(self.saying(by).model_copy(update={"binding": bound}))

    @precondition(lambda self: bool(self.counted))
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        assert not self.send(data.draw(st.sampled_from(self.counted))[0])

    @precondition(lambda self: bool(self.counted))
    @rule(data=st.data(), by=PEOPLE)
    def replay_as_somebody_else(self, data: st.DataObject, by: str) -> None:
        old = data.draw(st.sampled_from(self.counted))[0]
        assert not self.send(old.model_copy(update={"by": by, "roles": ROLES[by]}))

    @rule(by=PEOPLE, seal=st.integers(0, 2))
    def make_an_answer_of_what_can_be_read(self, by: str, seal: int) -> None:
        known = self.request.seals[seal % len(self.request.seals)]
        forged = ApprovalAnswer(
            approval=self.request.id,
            binding=self.request.binding,
            proof=known,
            approve=True,
            by=by,
            roles=ROLES[by],
        )
        assert refusal(self.request, forged, now=self.now) is not None

    @rule(by=PEOPLE, to=PEOPLE)
    def delegate(self, by: str, to: str) -> None:
        wish = Handover(
            approval=self.request.id,
            binding=self.request.binding,
            by=by,
            roles=ROLES[by],
            to=to,
            to_roles=ROLES[to],
        )
        if handover_refusal(self.request, wish, now=self.now) is None:
            assert self.may(by)
            assert person(by) not in {person(answer.by) for answer, _ in self.counted}
            assert self.asker not in {person(by), person(to)}
            self.request = handed_over(self.request, wish, now=self.now)
            self.deputies[person(by)] = person(to)

    @rule(seconds=st.sampled_from([1.0, 15.0, 39.0, 40.0, 60.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds
        if self.request.status == "open":
            self.request = turned(self.request, now=self.now)

    @rule(service=PLANS)
    def plan_otherwise(self, service: str) -> None:
        other = plan_for(service, self.plan.quorum)
        if other != self.plan:
            assert flaw(self.request, other, now=self.now) is not None

    def is_open(self) -> bool:
        """By this test's own record: whether anything may still be said."""
        ended = any(not answer.approve for answer, _ in self.counted)
        enough = len(self.counted) >= self.plan.quorum
        return not ended and not enough and self.now < self.began + 100.0

    def saying(self, by: str) -> ApprovalAnswer:
        """An honest yes."""
        shown = self.request
        return ApprovalAnswer(
            approval=shown.id,
            binding=shown.binding,
            proof=proof_of(token_of(shown, KEY)),
            approve=True,
            by=by,
            roles=ROLES[by],
        )

    def send(self, answer: ApprovalAnswer) -> bool:
        """Give an answer; whether it counts."""
        self.open_before = self.is_open()
        if refusal(self.request, answer, now=self.now) is not None:
            return False
        self.counted.append((answer, self.now))
        self.request = answered(self.request, answer, now=self.now)
        return True

    @invariant()
    def approved_only_by_enough_different_people_none_of_whom_asked(self) -> None:
        if self.request.status == "approved":
            voters = [person(answer.by) for answer, _ in self.counted if answer.approve]
            assert len(set(voters)) == len(voters) >= self.plan.quorum
            assert self.asker not in voters

    @invariant()
    def every_token_counts_once(self) -> None:
        proofs = [answer.proof for answer, _ in self.counted]
        assert len(set(proofs)) == len(proofs)

    @invariant()
    def nothing_counts_after_the_end(self) -> None:
        ends = [answer for answer, _ in self.counted if not answer.approve]
        assert not ends or (self.counted[-1][0] is ends[0] and self.request.status == "declined")

    @invariant()
    def what_may_begin_was_approved_in_time(self) -> None:
        if flaw(self.request, self.plan, now=self.now) is None:
            assert self.request.status == "approved"
            assert self.now < self.began + 100.0


TestProtocol = Protocol.TestCase

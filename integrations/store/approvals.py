"""Questions to humans and their answers."""

from dataclasses import dataclass

from sqlalchemy import Engine, Text
from sqlmodel import Field, Session, col, select

from causal.errors import NotFound
from integrations.audit import canonical_value
from integrations.store.base import Lock, Stored, reading, writing
from playbooks.remedy import ApprovalRequest


class _ApprovalRow(Stored, table=True):
    __tablename__ = "approval"

    ordinal: int | None = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    status: str = Field(index=True)
    asked_at: float
    request: str = Field(sa_type=Text)


@dataclass(frozen=True)
class SqlApprovals:
    """An `integrations.ports.Approvals`."""

    engine: Engine

    def put(self, request: ApprovalRequest) -> None:
        with writing(self.engine, Lock.APPROVALS) as session:
            row = _found(session, request.id)
            session.merge(
                _ApprovalRow(
                    ordinal=row.ordinal if row else None,
                    id=request.id,
                    status=request.status,
                    asked_at=request.asked_at,
                    request=canonical_value(request).decode(),
                )
            )

    def get(self, approval: str) -> ApprovalRequest:
        with reading(self.engine) as session:
            row = _found(session, approval)
        if row is None:
            raise NotFound(f"there is no approval {approval}")
        return ApprovalRequest.model_validate_json(row.request)

    def open(self) -> tuple[ApprovalRequest, ...]:
        oldest = (
            select(_ApprovalRow.request)
            .where(_ApprovalRow.status == "open")
            .order_by(col(_ApprovalRow.asked_at), col(_ApprovalRow.ordinal))
        )
        with reading(self.engine) as session:
            return tuple(ApprovalRequest.model_validate_json(text) for text in session.exec(oldest))


def _found(session: Session, approval: str) -> _ApprovalRow | None:
    return session.exec(select(_ApprovalRow).where(_ApprovalRow.id == approval)).one_or_none()

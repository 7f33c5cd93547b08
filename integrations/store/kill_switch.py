"""Whether anything may be carried out at all: one row, that outlives every process."""

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Field

from integrations.ports import Stop
from integrations.store.base import Lock, Stored, reading, writing


class _StopRow(Stored, table=True):
    __tablename__ = "kill_switch"

    id: int = Field(default=1, primary_key=True)
    stopped: bool
    by: str
    because: str
    at: float


@dataclass(frozen=True)
class SqlKillSwitch:
    """An `integrations.ports.KillSwitch`."""

    engine: Engine

    def state(self) -> Stop:
        with reading(self.engine) as session:
            row = session.get(_StopRow, 1)
        return Stop.model_validate(row.model_dump(exclude={"id"})) if row else Stop(stopped=False)

    def throw(self, *, by: str, because: str, at: float) -> Stop:
        return self._put(Stop(stopped=True, by=by, because=because, at=at))

    def release(self, *, by: str, because: str, at: float) -> Stop:
        return self._put(Stop(stopped=False, by=by, because=because, at=at))

    def _put(self, state: Stop) -> Stop:
        with writing(self.engine, Lock.STOP) as session:
            session.merge(_StopRow(id=1, **state.model_dump()))
        return state

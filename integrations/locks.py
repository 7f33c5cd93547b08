"""Who may act on a target: leases with fences, as pure functions of what is known of the targets.

A lease alone does not shut out a holder who was away for longer than it lasts and comes back without having
noticed. So each grant has a number that only grows, its fence, and whoever is about to act shows it once more
(Kleppmann, "How to do distributed locking", 2016). What was ever locked stays known, with nobody as its owner
once it is free: that is how fences grow.

All targets of one grant stand and fall together: who takes one whose lease is over frees the others too, for
the one who held them has been shut out.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

from causal.errors import Conflict
from integrations.ports import Lock

NOBODY = ""


def granted(
    known: Mapping[str, Lock], targets: frozenset[str], owner: str, *, now: float, lease: float
) -> dict[str, Lock]:
    """Return the locks that change when ``owner`` gets all targets; raises Conflict where one is held."""
    for target in sorted(targets):
        _not_held_by_another(known.get(target), owner, now)
    kept = _kept_fence(known, targets, owner)
    if kept is not None:
        return _extended(known, owner, kept, now + lease)
    fence = 1 + max((lock.fence for lock in known.values()), default=0)
    new = {name: Lock(target=name, owner=owner, fence=fence, until=now + lease) for name in targets}
    return _freed(_shut_out(known, targets, owner)) | new


def fence_of(changed: Mapping[str, Lock]) -> int:
    """Return the fence of what `granted` gave; 0 where nothing was asked for, which no lock ever has."""
    return max((lock.fence for lock in changed.values() if lock.owner != NOBODY), default=0)


def still_held(known: Collection[Lock], owner: str, fence: int, *, now: float) -> None:
    """Raise Conflict unless ``owner`` holds all that it got with this fence, and its lease lasts."""
    mine = [lock for lock in known if (lock.owner, lock.fence) == (owner, fence)]
    if not mine:
        raise Conflict(
            f"{owner} no longer holds what it got with fence {fence}: released, or taken by another"
        )
    over = min(lock.until for lock in mine)
    if over <= now:
        raise Conflict(
            f"the lease of {owner} on {_names(mine)} is over since {_time(over)}; acquire it again"
        )


def freed(known: Collection[Lock], owner: str) -> dict[str, Lock]:
    """Return the locks that change when ``owner`` lets go of everything."""
    return _freed(lock for lock in known if lock.owner == owner)


def in_force(known: Collection[Lock], *, now: float) -> tuple[Lock, ...]:
    """Return what is held at this time, in order of target."""
    held = (lock for lock in known if lock.owner != NOBODY and lock.until > now)
    return tuple(sorted(held, key=lambda lock: lock.target))


def _not_held_by_another(lock: Lock | None, owner: str, now: float) -> None:
    if lock is not None and lock.owner not in (NOBODY, owner) and lock.until > now:
        raise Conflict(f"{lock.target} is held by {lock.owner} until {_time(lock.until)}")


def _kept_fence(known: Mapping[str, Lock], targets: frozenset[str], owner: str) -> int | None:
    mine = {known[name].fence for name in targets if name in known and known[name].owner == owner}
    whole = all(name in known and known[name].owner == owner for name in targets)
    return mine.pop() if whole and len(mine) == 1 else None


def _extended(known: Mapping[str, Lock], owner: str, fence: int, until: float) -> dict[str, Lock]:
    return {
        name: lock.model_copy(update={"until": max(lock.until, until)})
        for name, lock in known.items()
        if (lock.owner, lock.fence) == (owner, fence)
    }


def _shut_out(known: Mapping[str, Lock], targets: frozenset[str], owner: str) -> Iterator[Lock]:
    taken = {(known[name].owner, known[name].fence) for name in targets if name in known}
    return (lock for lock in known.values() if lock.owner != owner and (lock.owner, lock.fence) in taken)


def _freed(locks: Iterator[Lock]) -> dict[str, Lock]:
    return {lock.target: lock.model_copy(update={"owner": NOBODY, "until": 0.0}) for lock in locks}


def _names(locks: Collection[Lock]) -> str:
    return ", ".join(sorted(lock.target for lock in locks))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")

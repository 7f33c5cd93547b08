"""All systems of a site, and the choice of some by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import SecretStr

from causal.errors import NotFound
from playbooks.written import nearest
from workers.checkup.anchors import anchor_systems
from workers.checkup.connections import connection_systems
from workers.checkup.local import local_systems
from workers.checkup.reach import Way
from workers.checkup.report import System
from workers.checkup.running import running_systems
from workers.checkup.sources import source_systems
from workers.checkup.vendors import vendor_systems
from workers.house import House
from workers.settings import Settings


def all_systems(settings: Settings, way: Way | None = None) -> tuple[System, ...]:
    """Everything that can be looked at, whether it is set up or not; nothing is asked yet."""
    way = way or Way()
    house = House(settings)
    return (
        *local_systems(house),
        *running_systems(settings, way),
        *vendor_systems(settings, way),
        *source_systems(settings, way),
        *connection_systems(settings, way),
        *anchor_systems(settings, way),
    )


def chosen(systems: Sequence[System], names: Sequence[str]) -> tuple[System, ...]:
    """The systems of these names, a kind (``prometheus``) meaning all of it; all in use if none is named.

    NotFound names what there is instead.
    """
    if not names:
        return tuple(system for system in systems if system.is_set_up)
    for name in names:
        if not any(_goes_by(system, name) for system in systems):
            raise NotFound(f"nothing here is called {name}; {nearest(name, known_names(systems))}")
    return tuple(system for system in systems if any(_goes_by(system, name) for name in names))


def known_names(systems: Sequence[System]) -> list[str]:
    """All names, and the kinds of those that have one."""
    names = {system.name for system in systems}
    return sorted(names | {name.partition("/")[0] for name in names})


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Every secret in the settings, so that none is shown."""
    return tuple(_secrets(settings))


def _secrets(settings: Settings) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, SecretStr):
                yield each.get_secret_value()


def _goes_by(system: System, name: str) -> bool:
    return name in {system.name, system.name.partition("/")[0]}

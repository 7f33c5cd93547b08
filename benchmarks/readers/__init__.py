"""Folders of recorded incidents as cases, whoever laid them out.

A layout is known by what lies in a folder, never by the folder's name. One module a layout.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.readers import folders, nezha, rcaeval
from causal.errors import NotFound

Finder = Callable[[Path], list[Case]]

LAYOUTS: Mapping[str, Finder] = {"folders": folders.cases, "rcaeval": rcaeval.cases, "nezha": nezha.cases}
AUTO = "auto"


def find(roots: Iterable[Path], layout: str = AUTO) -> dict[str, list[Case]]:
    """The cases under some folders, by their set; each folder may be laid out in its own way."""
    if layout != AUTO and layout not in LAYOUTS:
        raise NotFound(f"there is no layout {layout!r}; known are {', '.join([AUTO, *LAYOUTS])}")
    found: dict[str, list[Case]] = {}
    for root in roots:
        for case in _under(root, layout):
            found.setdefault(case.set_name, []).append(case)
    return found


def _under(root: Path, layout: str) -> list[Case]:
    """The cases of the layout that is named, else of the first that knows any."""
    finders = [LAYOUTS[layout]] if layout != AUTO else list(LAYOUTS.values())
    return next((cases for finder in finders if (cases := finder(root))), [])

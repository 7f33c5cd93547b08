"""The case format of our own: a folder with ``alert.json``, ``truth.json`` and telemetry as Parquet.

The folder above a case is its set. What begins with an underscore holds reference data and no cases.
"""

from functools import partial
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.truth import read_truth
from integrations.cases import load_case


def cases(root: Path) -> list[Case]:
    """The graded cases under a folder, in the order of their names."""
    return [_case(truth.parent) for truth in sorted(root.rglob("truth.json")) if _is_case(root, truth.parent)]


def _is_case(root: Path, folder: Path) -> bool:
    hidden = any(part.startswith("_") for part in folder.relative_to(root).parts)
    return not hidden and (folder / "alert.json").exists()


def _case(folder: Path) -> Case:
    return Case(
        set_name=folder.parent.name,
        name=folder.name,
        place=folder,
        read=partial(load_case, folder),
        truth=partial(read_truth, folder),
    )

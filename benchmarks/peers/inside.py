"""What runs in a peer's own environment: shapes a case as a method wants it, answers with its order.

Started by `running`, never imported by us: it sees the packages of its environment and none of ours. A
question is a line ``{"method": ..., "case": folder}``, an answer a line ``{"services": [...], "seconds": ...,
"problem": ...}``. Services are handed to methods under made-up names without underscores, since some of them
cut names there.
"""

import hashlib
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

NS = 1_000_000_000
BUCKET = 15
"""Seconds that multi-source methods count log records and spans by."""
THINNING = 15
"""Multi-source methods keep every fifteenth row, expecting one a second: each row is given so many times."""
TRACES_A_WINDOW = 500
DATASET = "re2-ob"
"""Says nothing about the data; without a dataset's name RCAEval leaves the time among the metrics."""
ROW = 2
"""PetShop's own evaluation looks at the third row of an incident, or the next that is anomalous."""
LEAST_ROWS, LIMIT = 10, 5.0


class Case:
    """The files of a case."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.words: dict[str, Any] = json.loads((self.folder / "case.json").read_text(encoding="utf-8"))
        self.split: int = self.words["split"]
        self._codes: dict[str, str] = {}

    def code(self, service: str) -> str:
        """A made-up name for a service."""
        return self._codes.setdefault(service, f"s{len(self._codes)}")

    def named(self, column: str) -> str:
        """The service that a column or an operation belongs to."""
        return list(self._codes)[int(column.split("_", maxsplit=1)[0][1:])]

    def table(self, name: str) -> pd.DataFrame:
        """One of the three tables; without rows if there is none."""
        path = self.folder / f"{name}.parquet"
        return pd.read_parquet(path) if path.exists() else pd.DataFrame()

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """A column for each series, a row for each moment, gaps filled forward and then with nothing."""
        rows = self.table("metrics")
        if rows.empty:
            raise LookupError("no metrics")
        rows["instance"] = rows["instance"].fillna("")
        series = ["service", "instance", "metric"]
        wide = rows.pivot_table(index="at", columns=series, values="value", aggfunc="last")
        wide = wide.replace([np.inf, -np.inf], np.nan).ffill().fillna(0.0)
        wide.columns = pd.Index([f"{self.code(name[0])}_m{i}" for i, name in enumerate(wide.columns)])
        return wide.reset_index(names="time").assign(time=lambda frame: frame["time"] / NS)

    @cached_property
    def spans(self) -> pd.DataFrame:
        """Spans with the column names and units that RCAEval's traces have."""
        rows = self.table("traces")
        if rows.empty:
            raise LookupError("no spans")
        return pd.DataFrame(
            {
                "traceID": rows["trace_id"],
                "spanID": rows["trace_id"] + rows["span_id"],
                "parentSpanID": rows["trace_id"] + rows["parent_span_id"],
                "serviceName": [self.code(service) for service in rows["service"]],
                "methodName": rows["operation"],
                "operationName": rows["operation"],
                "startTime": rows["at"] / 1e3,
                "duration": rows["duration_ns"] / 1e3,
                "failed": rows["status"] == "error",
            }
        )

    def known_spans(self) -> pd.DataFrame:
        """Spans of operations that quiet time saw, of at most so many traces before and after."""
        spans, split = self.spans, self.split / 1e3
        before = spans["startTime"] + spans["duration"] < split
        operation = spans["serviceName"] + "_" + spans["methodName"]
        return spans[operation.isin(set(operation[before]))]

    def some_spans(self) -> pd.DataFrame:
        """Those of at most so many traces on either side of the split, evenly chosen."""
        spans = self.known_spans()
        before = spans["startTime"] + spans["duration"] < self.split / 1e3
        kept = [name for side in (before, ~before) for name in _evenly(spans.loc[side, "traceID"].unique())]
        return spans[spans["traceID"].isin(kept)]


def _evenly(names: Any) -> Iterator[Any]:
    step = max(len(names) / TRACES_A_WINDOW, 1.0)
    return (names[int(i * step)] for i in range(min(len(names), TRACES_A_WINDOW)))


def metric_method(module: str, name: str) -> Callable[[Case], Iterable[str]]:
    """Make a method of one that takes metrics and the time of the fault."""

    def rank(case: Case) -> Iterable[str]:
        metrics = case.metrics.copy()
        method = getattr(importlib.import_module(module), name)
        return map(case.named, method(metrics, case.split / NS, dataset=DATASET)["ranks"])

    return rank


def trace_method(name: str, spans: Callable[[Case], pd.DataFrame]) -> Callable[[Case], Iterable[str]]:
    """Make a method of one that takes spans and the time of the fault in microseconds."""

    def rank(case: Case) -> Iterable[str]:
        rows = spans(case).copy()
        method = getattr(importlib.import_module("RCAEval.e2e"), name)
        return map(case.named, method(rows, case.split / 1e3)["ranks"])

    return rank


def multi_source_method(name: str) -> Callable[[Case], Iterable[str]]:
    """Make a method of one that takes metrics, counts of log templates, and errors and times of spans."""

    def rank(case: Case) -> Iterable[str]:
        errors, latencies = _span_series(case)
        data = {
            "metric": case.metrics.loc[case.metrics.index.repeat(THINNING)].reset_index(drop=True),
            "logts": _log_series(case),
            "tracets_err": errors,
            "tracets_lat": latencies,
        }
        method = getattr(importlib.import_module("RCAEval.e2e"), name)
        return map(case.named, method(data, case.split / NS, dataset=DATASET)["ranks"])

    return rank


def _buckets(case: Case, moments: Any) -> Any:
    """The seconds in which each moment's bucket begins; none of them lies across the split."""
    return ((moments - case.split) // (BUCKET * NS)) * BUCKET + case.split // NS


def _all_buckets(case: Case) -> list[int]:
    """Every bucket in which anything was measured: where there is no record of a kind, there was none."""
    found: set[int] = set()
    for name in ("metrics", "traces", "logs"):
        rows = case.table(name)
        found.update(() if rows.empty else _buckets(case, rows["at"]).unique())
    return sorted(found)


def _log_series(case: Case) -> pd.DataFrame:
    rows = case.table("logs")
    if rows.empty:
        return pd.DataFrame({"time": case.metrics["time"], "s0_none": 0.0})
    miner = importlib.import_module("drain3").TemplateMiner()
    ids = {body: miner.add_log_message(body)["cluster_id"] for body in rows["body"].unique()}
    rows["column"] = [f"{case.code(s)}_t{ids[b]}" for s, b in zip(rows["service"], rows["body"], strict=True)]
    return _wide(case, rows.assign(time=_buckets(case, rows["at"]), one=1.0), "one", "sum", 0.0)


def _span_series(case: Case) -> tuple[pd.DataFrame, pd.DataFrame]:
    try:
        spans = case.spans
    except LookupError:
        return pd.DataFrame(), pd.DataFrame()
    rows = pd.DataFrame(
        {
            "time": _buckets(case, (spans["startTime"] * 1e3).astype("int64")),
            "column": spans["serviceName"] + "_" + spans["methodName"],
            "failed": spans["failed"].astype(float),
            "duration": spans["duration"],
        }
    )
    return _wide(case, rows, "failed", "sum", 0.0), _wide(case, rows, "duration", "mean", np.nan)


def _wide(case: Case, rows: pd.DataFrame, values: str, how: Any, nothing: float) -> pd.DataFrame:
    wide = rows.pivot_table(index="time", columns="column", values=values, aggfunc=how)
    filled = wide.reindex(_all_buckets(case)).fillna({} if np.isnan(nothing) else nothing)
    return filled.rename_axis(index="time", columns=None).reset_index()


def anomalous(case: Case) -> tuple[dict[str, float], pd.DataFrame]:
    """The nodes that are anomalous in the symptom's own metric, and the incident's rows of it.

    After PetShop's paper (Hardt et al., CLeaR 2024): a node needs ten quiet values; one that never varied is
    anomalous as soon as it differs; nothing is anomalous unless the symptom's own node is.
    """
    before, after = _of_signal(case)
    scorer = importlib.import_module("dowhy.gcm.anomaly_scorers").MedianDeviationScorer
    scores = {str(node): _scores(before[node], after[node], scorer) for node in after if node in before}
    target = case.words["symptom"]
    rows = [row for row in range(ROW, len(after)) if scores.get(target, {}).get(row)]
    if not rows:
        return {}, after
    return {node: held[rows[0]] for node, held in scores.items() if rows[0] in held}, after


def _of_signal(case: Case) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = case.table("metrics")
    rows = rows[rows["metric"].str.lower().str.fullmatch(f"{case.words['signal']}_average")]
    if rows.empty:
        raise LookupError("no one metric of the symptom's kind at the nodes")
    wide = rows.pivot_table(index="at", columns="service", values="value", aggfunc="last")
    return wide[wide.index < case.words["begins"]], wide[wide.index >= case.words["begins"]]


def _scores(before: Any, after: Any, scorer: Any) -> dict[int, float]:
    """The anomalous rows of a node and how anomalous they are."""
    usual = before.dropna().to_numpy()
    if len(usual) < LEAST_ROWS:
        return {}
    known = [row for row, value in enumerate(after) if not np.isnan(value)]
    values = after.to_numpy()[known]
    if usual.std() == 0:
        scores, limit = np.abs(values - usual.mean()), 0.0
    else:
        fitted = scorer()
        fitted.fit(usual)
        scores, limit = np.asarray(fitted.score(values)).reshape(-1), LIMIT
    return {row: float(score) for row, score in zip(known, scores, strict=True) if score > limit}


def traversal(case: Case) -> Iterable[str]:
    """Anomalous nodes that call no anomalous one, by the scores on their best path from the symptom."""
    networkx = importlib.import_module("networkx")
    scores, _ = anomalous(case)
    calls = networkx.DiGraph([call for call in case.words["calls"] if set(call) <= set(scores)])
    calls.add_nodes_from(scores)
    target, found = case.words["symptom"], {}
    for node in (node for node in scores if node != target and not any(calls.successors(node))):
        paths = networkx.all_simple_paths(calls, target, node)
        found[node] = max((sum(scores[step] for step in path) for path in paths), default=0.0)
    return sorted((node for node in found if found[node]), key=lambda node: (-found[node], _drawn(node)))


def _drawn(node: str) -> str:
    """A lot for ties that is the same each time and knows no alphabet."""
    return hashlib.sha256(node.encode()).hexdigest()


def correlation(case: Case) -> Iterable[str]:
    """Anomalous nodes by how little chance would explain their correlation with the symptom."""
    pearson = importlib.import_module("scipy.stats").pearsonr
    scores, after = anomalous(case)
    target, found = case.words["symptom"], {}
    for node in (node for node in scores if node != target):
        pair = after[[node, target]].dropna()
        if len(pair) > 1:
            found[node] = float(pearson(pair[node], pair[target])[1])
    return sorted((node for node in found if not np.isnan(found[node])), key=lambda node: found[node])


METHODS: dict[str, Callable[[Case], Iterable[str]]] = {
    "fse-baro": metric_method("baro.root_cause_analysis", "robust_scorer"),
    "baro": metric_method("RCAEval.e2e", "baro"),
    "nsigma": metric_method("RCAEval.e2e", "nsigma"),
    "mmbaro": multi_source_method("mmbaro"),
    "mmnsigma": multi_source_method("mmnsigma"),
    "tracerca": trace_method("tracerca", lambda case: case.spans),
    "tracerca-known": trace_method("tracerca", Case.known_spans),
    "microrank": trace_method("microrank", lambda case: case.spans),
    "microrank-known": trace_method("microrank", Case.some_spans),
    "dowhy": traversal,
    "dowhy-correlation": correlation,
}


def answer(question: dict[str, str]) -> dict[str, Any]:
    """Ask a method; what it raises is its answer, too."""
    try:
        case = _read_ahead(question["case"])
        began = time.perf_counter()
        services = list(dict.fromkeys(METHODS[question["method"]](case)))
        seconds = time.perf_counter() - began
    except Exception as error:  # noqa: BLE001  other people's code: whatever it raises counts as a crash
        return {"problem": f"{type(error).__name__}: {error}"[:300]}
    return {"services": services, "seconds": seconds, "problem": ""}


@lru_cache(maxsize=1)
def _read_ahead(folder: str) -> Case:
    """Read the files before the clock runs, once for all methods that are asked about a case."""
    case = Case(folder)
    for name in ("metrics", "spans"):
        try:
            getattr(case, name)
        except LookupError:
            continue
    return case


def main() -> None:
    """Answer questions until there are no more; whatever methods print goes nowhere."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    replies.write("{}\n")
    for line in sys.stdin:
        replies.write(json.dumps(answer(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()

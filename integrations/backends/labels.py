"""Whom a set of labels is about: the service and the instance that telemetry of other systems belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from integrations.alertmanager import SERVICE_LABELS
from integrations.otlp_spans import UNKNOWN_SERVICE

SERVICES = ("service_name", *(name for name in SERVICE_LABELS if name != "service_name"))
INSTANCE_LABELS = ("service_instance_id", "pod", "instance")


def service_of(labels: Mapping[str, str]) -> str:
    """Name the service; of ``job`` what follows the last slash: OpenTelemetry puts a namespace before it."""
    name = service_label(labels)
    if name is None:
        return UNKNOWN_SERVICE
    value = labels[name].strip()
    return (value.rsplit("/", 1)[-1] or value) if name == "job" else value


def service_label(labels: Mapping[str, str]) -> str | None:
    """Return the name of the label that names the service."""
    return next((name for name in SERVICES if labels.get(name, "").strip()), None)


def instance_of(labels: Mapping[str, str]) -> str | None:
    """Name the instance, where a label does."""
    return first_of(labels, INSTANCE_LABELS)


def first_of(labels: Mapping[str, str], names: Sequence[str]) -> str | None:
    """Return the first of some labels that says something."""
    return next((labels[name].strip() for name in names if labels.get(name, "").strip()), None)

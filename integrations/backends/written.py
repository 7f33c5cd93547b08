"""``sources.yaml``: where others keep telemetry of the watched systems, by a name of one's own each."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from causal.errors import MalformedSettings
from integrations.backends.jaeger import Jaeger, JaegerSettings
from integrations.backends.loki import Loki, LokiSettings
from integrations.backends.prometheus import Prometheus, PrometheusSettings
from integrations.backends.source import TelemetrySource
from integrations.backends.tempo import Tempo, TempoSettings
from playbooks.remedy import Written
from playbooks.written import read_as


class SourcesFile(Written):
    """All sources of a site."""

    prometheus: dict[str, PrometheusSettings] = Field(default_factory=dict)
    jaeger: dict[str, JaegerSettings] = Field(default_factory=dict)
    tempo: dict[str, TempoSettings] = Field(default_factory=dict)
    loki: dict[str, LokiSettings] = Field(default_factory=dict)

    def sources(self) -> tuple[TelemetrySource, ...]:
        """Each as something that can be asked."""
        return (
            *(Prometheus(settings, name) for name, settings in self.prometheus.items()),
            *(Jaeger(settings, name) for name, settings in self.jaeger.items()),
            *(Tempo(settings, name) for name, settings in self.tempo.items()),
            *(Loki(settings, name) for name, settings in self.loki.items()),
        )


def read_sources(path: Path) -> tuple[TelemetrySource, ...]:
    """Read the file (none if it is not there); MalformedSettings names file, line and column."""
    if not path.exists():
        return ()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedSettings(f"can not be read: {error}", where=str(path)) from error
    return read_as(SourcesFile, text, str(path)).or_raise(MalformedSettings).sources()

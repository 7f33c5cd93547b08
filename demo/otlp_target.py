"""Where a shop's telemetry goes, and how that was found out."""

import os
from pathlib import Path
from urllib.parse import unquote

from demo.places import read_json
from demo.telemetry import OtlpTarget


def find_target(endpoint: str | None, token: str | None, home: Path) -> tuple[OtlpTarget | None, str]:
    """The receiver by option, else by environment, else Aitia's door; and how it was found."""
    if endpoint:
        return OtlpTarget(
            endpoint=endpoint.rstrip("/"), headers=_bearer(token) or _environment_headers()
        ), "by option"
    named = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if named:
        target = OtlpTarget(endpoint=named.rstrip("/"), headers=_bearer(token) or _environment_headers())
        return target, "by OTEL_EXPORTER_OTLP_ENDPOINT"
    return _door(token, home)


def _door(token: str | None, home: Path) -> tuple[OtlpTarget | None, str]:
    url = ((read_json(home / "run.json") or {}).get("door") or {}).get("url")
    if not url:
        return None, f"nobody listens: no option, no OTEL_EXPORTER_OTLP_ENDPOINT, no {home / 'run.json'}"
    key = home / "token"
    held = token or (key.read_text(encoding="utf-8").strip() if key.exists() else None)
    return OtlpTarget(
        endpoint=str(url).rstrip("/"), headers=_bearer(held)
    ), f"Aitia's door, by {home / 'run.json'}"


def _bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _environment_headers() -> dict[str, str]:
    """``OTEL_EXPORTER_OTLP_HEADERS``: ``key=value`` pairs with commas between, percent-encoded."""
    pairs = (pair.partition("=") for pair in os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(","))
    return {unquote(key.strip()): unquote(value.strip()) for key, _, value in pairs if key.strip()}

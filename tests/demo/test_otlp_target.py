import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.otlp_target import find_target
from demo.telemetry import OtlpTarget

_ASK = "import sys, pathlib; from demo.otlp_target import find_target; print(find_target(None, None, pathlib.Path(sys.argv[1]))[0].model_dump_json())"  # noqa: E501


def found_with(environment: dict[str, str], home: Path) -> OtlpTarget:
    """What a process with these variables finds."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    argv = [sys.executable, "-c", _ASK, str(home)]
    return OtlpTarget.model_validate_json(
        subprocess.run(argv, env=kept | environment, capture_output=True, check=True).stdout
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home where Aitia runs."""
    (tmp_path / "run.json").write_text(json.dumps({"door": {"url": "http://127.0.0.1:1"}}))
    (tmp_path / "token").write_text("secret\n")
    return tmp_path


def test_an_option_goes_before_all(home: Path) -> None:
    target, _ = find_target("http://127.0.0.1:9/", "mine", home)
    assert target == OtlpTarget(endpoint="http://127.0.0.1:9", headers={"Authorization": "Bearer mine"})


def test_the_environment_goes_before_the_door(home: Path) -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:8",
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20theirs,x-team=a",
    }
    expected = OtlpTarget(
        endpoint="http://127.0.0.1:8", headers={"Authorization": "Bearer theirs", "x-team": "a"}
    )
    assert found_with(environment, home) == expected


def test_the_door_is_found_with_its_token(home: Path) -> None:
    expected = OtlpTarget(endpoint="http://127.0.0.1:1", headers={"Authorization": "Bearer secret"})
    assert found_with({}, home) == expected

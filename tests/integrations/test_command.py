from __future__ import annotations

import os
import shlex
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from causal.errors import Refused, UnknownEffect
from integrations.command import EXCERPT, CommandParams, CommandRun
from integrations.connections import CommandConnection, CommandLimits, ConnectionFile, Connections
from integrations.ports import Effect
from integrations.process import STEP_VARIABLE, processes_of
from integrations.step_markers import Marker, StepMarkers
from playbooks.lookups import fill

KEY = "inc-1/p1/run"


@dataclass
class Bench:
    """A program of a test's own, and the action that runs it."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    allow: tuple[tuple[str, ...], ...] = ((),)

    @property
    def program(self) -> Path:
        return self.folder / "tool"

    @property
    def action(self) -> CommandRun:
        return CommandRun(self.connections, self.folder / "state")

    def write(self, code: str) -> None:
        self.program.write_text(f"#!{sys.executable}\nimport os, sys, pathlib\n{code}\n")
        self.program.chmod(0o755)

    def connections(self) -> Connections:
        connection = CommandConnection.model_validate(
            {"executable": self.program, "allow": self.allow, **self.settings}
        )
        return Connections(files=(ConnectionFile(commands={"tool": connection}),))

    def do(self, *arguments: str, timeout: float = 20, **changes: Any) -> Effect:
        params = CommandParams(command="tool", arguments=arguments, **changes)
        return self.action.execute(params, key=KEY, timeout=timeout)

    def says(self, code: str) -> str:
        """What a program prints."""
        self.write(code)
        return str(self.do().facts["output"])


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_no_shell_reads_the_arguments(bench: Bench) -> None:
    bench.allow = ((".*", ".*"),)
    bench.write("print(sys.argv[1:])")
    assert bench.do("$(id); rm -rf /", "`x` && *").facts["output"] == "['$(id); rm -rf /', '`x` && *']"


def test_the_environment_is_bare(bench: Bench) -> None:
    os.environ["AITIA_TEST_SECRET"] = "hunter2"
    try:
        names = bench.says("print(*sorted(os.environ))")
    finally:
        del os.environ["AITIA_TEST_SECRET"]
    assert set(names.split()) <= {"PATH", "LANG", "LC_CTYPE", STEP_VARIABLE}


def test_the_connections_variables_are_there(bench: Bench) -> None:
    bench.settings["variables"] = {"ZONE": "eu"}
    assert bench.says("print(os.environ['ZONE'])") == "eu"


def test_the_folder_is_the_connections(bench: Bench) -> None:
    bench.settings["cwd"] = bench.folder
    assert bench.says("print(os.getcwd())") == str(bench.folder)


def test_there_is_no_input(bench: Bench) -> None:
    assert bench.says("print(repr(sys.stdin.read()))") == "''"


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("RLIMIT_CORE", {}, 0),
        ("RLIMIT_CPU", {"cpu": "7s"}, 7),
        ("RLIMIT_AS", {"memory": "512MiB"}, 512 * 1024**2),
        ("RLIMIT_FSIZE", {"file_size": "1MiB"}, 1024**2),
        ("RLIMIT_NPROC", {"processes": 100}, 100),
    ],
)
def test_each_limit_holds_within_the_program(
    bench: Bench, name: str, settings: dict[str, Any], expected: int
) -> None:
    bench.settings["limits"] = CommandLimits.model_validate(settings)
    assert bench.says(f"import resource; print(resource.getrlimit(resource.{name}))") == str(
        (expected, expected)
    )


def test_a_program_that_wants_too_much_memory_does_not_get_it(bench: Bench) -> None:
    bench.settings["limits"] = CommandLimits(memory=256 * 1024**2)
    bench.write("x = bytearray(10**9)")
    with pytest.raises(UnknownEffect, match="MemoryError"):
        bench.do()


def test_a_program_that_floods_its_output_is_stopped(bench: Bench) -> None:
    bench.settings["limits"] = CommandLimits(file_size=1024**2)
    bench.write("while True: os.write(1, b'x' * 65536)")
    with pytest.raises(UnknownEffect, match="ended with"):
        bench.do()


def test_only_the_end_of_the_output_is_kept(bench: Bench) -> None:
    said = bench.says("print('a' * 100_000 + 'the end')")
    assert (len(said) <= EXCERPT, said.endswith("the end")) == (True, True)


def test_hidden_characters_of_the_output_are_not_kept(bench: Bench) -> None:
    assert "\x1b" not in bench.says("print('\\x1b[31mred')")


SLOW = """
import subprocess, time
subprocess.Popen(["sleep", "600"])
subprocess.Popen(["sleep", "600"], start_new_session=True)
time.sleep(600)
"""


def test_everything_is_killed_when_the_time_is_over(bench: Bench) -> None:
    bench.write(SLOW)
    with pytest.raises(UnknownEffect, match="was killed"):
        bench.do(timeout=1)
    deadline = time.monotonic() + 5
    while list(processes_of(KEY)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(processes_of(KEY)) == []


def test_a_bad_end_is_an_unknown_effect_with_its_words(bench: Bench) -> None:
    bench.write("sys.exit('no such zone')")
    with pytest.raises(UnknownEffect, match="ended with 1: no such zone"):
        bench.do()


def test_what_was_begun_and_can_not_be_asked_is_unknown(bench: Bench) -> None:
    bench.write("pass")
    StepMarkers(bench.folder / "state").write(Marker(key=KEY))
    with pytest.raises(UnknownEffect, match="has no check"):
        bench.do()


def test_what_may_be_run_twice_is_run_again(bench: Bench) -> None:
    bench.settings["idempotent"] = True
    bench.write("pathlib.Path(sys.argv[0]).with_name('ran').touch()")
    StepMarkers(bench.folder / "state").write(Marker(key=KEY))
    bench.do()
    assert (bench.folder / "ran").exists()


@pytest.mark.parametrize(("code", "there"), [(0, True), (1, False)])
def test_a_check_tells_whether_the_effect_is_there(bench: Bench, code: int, there: bool) -> None:
    bench.allow = ((), ("check",))
    bench.write(f"sys.exit({code} if sys.argv[1:] else 0)")
    StepMarkers(bench.folder / "state").write(Marker(key=KEY))
    params = CommandParams(command="tool", check=("check",))
    assert (bench.action.observe(params, key=KEY) is not None) == there


@pytest.mark.parametrize("code", ["sys.exit(2)", "os.kill(os.getpid(), 9)"])
def test_a_check_that_breaks_tells_nothing(bench: Bench, code: str) -> None:
    bench.allow = ((), ("check",))
    bench.write(code)
    StepMarkers(bench.folder / "state").write(Marker(key=KEY))
    with pytest.raises(UnknownEffect, match="check of tool"):
        bench.action.observe(CommandParams(command="tool", check=("check",)), key=KEY)


def test_a_program_that_can_not_start_is_no_answer_of_a_check(bench: Bench) -> None:
    bench.allow = ((), ("check",))
    bench.program.write_text("#!/no/such/interpreter\n")
    bench.program.chmod(0o755)
    StepMarkers(bench.folder / "state").write(Marker(key=KEY))
    with pytest.raises(UnknownEffect, match="ended with 126"):
        bench.action.observe(CommandParams(command="tool", check=("check",)), key=KEY)


@pytest.mark.parametrize(
    ("allow", "arguments"),
    [
        (("flush", "[a-z]+"), ("flush", "EU")),
        (("flush", "[a-z]+"), ("flush", "eu ")),
        (("flush", "[a-z]+"), ("flush", "eu\n")),
        (("flush", ".*"), ("flush", "--all")),
        (("flush", ".*"), ("flush", "-rf")),
        (("flush", ".*"), ("flush", "a\x1bb")),
        (("flush", ".*"), ("flush",)),
        (("flush", ".*"), ("flush", "a", "b")),
        ((), ("x",)),
    ],
)
def test_an_argument_list_that_no_pattern_covers_is_refused(
    bench: Bench, allow: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    bench.allow = (allow,)
    bench.write("pathlib.Path(sys.argv[0]).with_name('ran').touch()")
    with pytest.raises(Refused, match="does not allow"):
        bench.do(*arguments)
    assert not (bench.folder / "ran").exists()


def test_an_option_that_was_meant_as_one_is_allowed(bench: Bench) -> None:
    bench.allow = (("--zone=[a-z]+",),)
    bench.write("print(sys.argv[1])")
    assert bench.do("--zone=eu").facts["output"] == "--zone=eu"


@pytest.mark.parametrize("hostile", ["-rf", "--all", "a\0b"])
def test_a_value_can_not_become_an_option(hostile: str) -> None:
    with pytest.raises(Refused):
        fill({"command": "tool", "arguments": ["flush", "$s"]}, {"s": hostile}, CommandParams)


def test_a_value_stays_one_argument() -> None:
    filled = fill({"command": "tool", "arguments": ["flush", "zone-${s}"]}, {"s": "a b; c"}, CommandParams)
    assert CommandParams.model_validate(filled).arguments == ("flush", "zone-a b; c")


@pytest.mark.parametrize("program", ["/bin/sh", "/usr/bin/env", "/bin/bash", "bin/tool"])
def test_a_shell_or_a_relative_path_is_no_program(program: str) -> None:
    with pytest.raises(ValidationError):
        CommandConnection.model_validate({"executable": program, "allow": [[]]})


def test_a_program_that_anybody_may_change_is_refused(bench: Bench) -> None:
    bench.write("pass")
    bench.program.chmod(0o777)
    with pytest.raises(Refused, match="anybody may change"):
        bench.do()


def test_a_program_that_is_not_there_is_refused(bench: Bench) -> None:
    with pytest.raises(Refused, match="can not be run"):
        bench.do()


def test_a_preview_is_the_very_command(bench: Bench) -> None:
    bench.allow = ((".*", ".*"),)
    shown = bench.action.preview(CommandParams(command="tool", arguments=("a b", "c")))
    assert shlex.split(shown.splitlines()[0]) == ["run", str(bench.program), "a b", "c"]

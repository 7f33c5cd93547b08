from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from causal.errors import Conflict, Refused, Unavailable, UnknownEffect
from integrations.connections import ConnectionFile, Connections, FileConnection, FlagsConnection
from integrations.files import FileRestore, FileSet, RestoreParams, SetParams
from integrations.flags import FlagParams, FlagSet
from integrations.ports import Effect
from integrations.step_markers import Marker, StepMarkers
from playbooks.remedy import JsonValue
from tests.integrations.action_worlds import FLAGS

KEY = "inc-1/p1/set"
OLD = "# limits\npool: 20   # was 10\npassword: hunter2\nname: cart\n"
NEW = OLD.replace("20", "25")


@dataclass
class Bench:
    """A configuration file, and the actions on it."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "cart.yaml"

    def connections(self) -> Connections:
        return Connections(files=(ConnectionFile(files={"cart": FileConnection(path=self.path)}),))

    def set(self, value: JsonValue = 25, key: str = "pool") -> Effect:
        action = FileSet(self.connections, self.folder / "state")
        return action.execute(SetParams(file="cart", key=key, value=value), key=KEY, timeout=5)

    def observe(self) -> Effect | None:
        action = FileSet(self.connections, self.folder / "state")
        return action.observe(SetParams(file="cart", key="pool", value=25), key=KEY)

    def restore(self, effect: Effect) -> Effect:
        action = FileRestore(self.connections, self.folder / "state")
        return action.execute(RestoreParams.model_validate(effect.facts), key=f"{KEY}/undo", timeout=5)

    def begin(self) -> None:
        """Leave what a kill leaves just before or after the write."""
        begun = {"former": "20", "written": "25", "says": "set", "facts": {"key": "pool"}}
        StepMarkers(self.folder / "state").write(Marker(key=KEY, before=json.dumps(begun)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.path.write_text(OLD)
    return made


def test_comments_and_spaces_stay_as_they_are(bench: Bench) -> None:
    bench.set()
    assert bench.path.read_text() == NEW


def test_the_mode_of_the_file_is_kept(bench: Bench) -> None:
    bench.path.chmod(0o604)
    bench.set()
    assert bench.path.stat().st_mode & 0o777 == 0o604


def test_who_has_the_old_file_open_reads_the_old_file(bench: Bench) -> None:
    with bench.path.open() as reader:
        bench.set()
        assert reader.read() == OLD


def test_nothing_is_left_lying_beside_the_file(bench: Bench) -> None:
    bench.set()
    assert sorted(each.name for each in bench.folder.iterdir()) == ["cart.yaml", "state"]


def test_a_preview_shows_the_change_and_no_secret(bench: Bench) -> None:
    action = FileSet(bench.connections, bench.folder / "state")
    shown = action.preview(SetParams(file="cart", key="pool", value=25))
    assert ("-pool: 20   # was 10\n+pool: 25   # was 10" in shown, "hunter2" in shown) == (True, False)


def test_a_value_that_is_there_already_is_refused(bench: Bench) -> None:
    with pytest.raises(Refused, match="nothing would change"):
        bench.set(20)


def test_an_undo_leaves_what_others_changed_elsewhere(bench: Bench) -> None:
    effect = bench.set()
    bench.path.write_text(NEW.replace("cart", "basket"))
    bench.restore(effect)
    assert bench.path.read_text() == OLD.replace("cart", "basket")


def test_an_undo_does_not_overwrite_what_others_set_since(bench: Bench) -> None:
    effect = bench.set()
    bench.path.write_text(NEW.replace("25", "30"))
    with pytest.raises(Conflict, match="is 30 now, not 25"):
        bench.restore(effect)
    assert "pool: 30" in bench.path.read_text()


def test_a_step_killed_before_its_write_did_nothing(bench: Bench) -> None:
    bench.begin()
    assert bench.observe() is None


def test_a_step_killed_after_its_write_is_recognised(bench: Bench) -> None:
    bench.begin()
    bench.path.write_text(NEW)
    assert bench.observe() == Effect(says="set", facts={"key": "pool"})


def test_a_killed_step_and_another_value_is_an_unknown_effect(bench: Bench) -> None:
    bench.begin()
    bench.path.write_text(OLD.replace("20", "30"))
    with pytest.raises(UnknownEffect, match="can not be told"):
        bench.observe()


def test_a_link_is_not_followed(bench: Bench) -> None:
    real = bench.folder / "real.yaml"
    bench.path.rename(real)
    bench.path.symlink_to(real)
    with pytest.raises(Refused, match="a link is not followed"):
        bench.set()


def test_a_pipe_is_not_waited_for(bench: Bench) -> None:
    bench.path.unlink()
    os.mkfifo(bench.path)
    with pytest.raises(Refused, match="no regular file"):
        bench.set()


def test_a_missing_file_is_unavailable(bench: Bench) -> None:
    bench.path.unlink()
    with pytest.raises(Unavailable, match="there is no file"):
        bench.set()


def test_a_file_that_is_no_text_is_refused(bench: Bench) -> None:
    bench.path.write_bytes(b"caf\xe9")
    with pytest.raises(Refused, match="no UTF-8"):
        bench.set()


def test_a_file_whose_format_nobody_knows_is_refused(bench: Bench) -> None:
    connections = Connections(
        files=(ConnectionFile(files={"cart": FileConnection(path=bench.folder / "x.ini")}),)
    )
    with pytest.raises(Refused, match="write format in the connection"):
        FileSet(lambda: connections, bench.folder).preview(SetParams(file="cart", key="a", value=1))


@dataclass
class Flags:
    """A file of flags, and the action on it."""

    path: Path

    @property
    def action(self) -> FlagSet:
        file = ConnectionFile(flags={"shop": FlagsConnection(path=self.path, flags=("new-.*", "odd", "old"))})
        return FlagSet(lambda: Connections(files=(file,)), self.path.parent / "state")

    def set(self, **changes: str) -> Effect:
        return self.action.execute(params(**changes), key=KEY, timeout=5)


def params(**changes: str) -> FlagParams:
    return FlagParams.model_validate({"flags": "shop", "flag": "new-cart", **changes})


@pytest.fixture
def flags(tmp_path: Path) -> Flags:
    made = Flags(tmp_path / "flags.json")
    made.path.write_text(FLAGS)
    return made


def test_a_flag_is_switched_off(flags: Flags) -> None:
    flags.set(state="DISABLED")
    assert json.loads(flags.path.read_text())["flags"]["new-cart"]["state"] == "DISABLED"


def test_only_the_one_flag_changes(flags: Flags) -> None:
    flags.set(variant="off")
    assert flags.path.read_text() == FLAGS.replace('"defaultVariant": "on"', '"defaultVariant": "off"', 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"variant": "of"}, "did you mean off"),
        ({"flag": "new-car", "state": "DISABLED"}, "did you mean new-cart"),
        ({"flag": "other", "state": "DISABLED"}, "lets new-"),
        ({"flag": "odd", "state": "DISABLED"}, "of different types"),
        ({"flag": "old", "state": "DISABLED"}, "neither ENABLED nor DISABLED"),
    ],
)
def test_what_flagd_would_not_take_is_refused(flags: Flags, changes: dict[str, str], says: str) -> None:
    document = json.loads(FLAGS)
    document["flags"]["old"] = {"state": "on", "variants": {"a": 1}, "defaultVariant": "a"}
    flags.path.write_text(json.dumps(document))
    with pytest.raises(Refused, match=says):
        flags.set(**changes)


def test_rules_that_come_before_the_default_are_told(flags: Flags) -> None:
    document = json.loads(FLAGS)
    document["flags"]["new-cart"]["targeting"] = {"if": [True, "on"]}
    flags.path.write_text(json.dumps(document))
    assert "has targeting rules" in flags.action.preview(params(variant="off"))


def test_flags_in_yaml_are_set_as_well(flags: Flags) -> None:
    flags.path = flags.path.with_suffix(".yaml")
    text = (
        "flags:\n  new-cart:  # ours\n    state: ENABLED\n"
        "    variants: {on: true, off: false}\n    defaultVariant: 'on'\n"
    )
    flags.path.write_text(text)
    flags.set(state="DISABLED")
    assert flags.path.read_text() == text.replace("ENABLED", "DISABLED")

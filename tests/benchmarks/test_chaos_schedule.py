"""What will happen to each incident follows from the seed alone."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chaos.schedule import Blow, Case, Point, lanes

seeds = st.integers(0, 10_000)


def cases(incidents: int, stalls: int, seed: int) -> list[Case]:
    planned = [case for lane in lanes(incidents, stalls, seed) for case in lane]
    return sorted(planned, key=lambda case: case.number)


@given(incidents=st.integers(1, 60), stalls=st.integers(1, 20), seed=seeds)
def test_each_incident_comes_exactly_once(incidents: int, stalls: int, seed: int) -> None:
    assert [case.number for case in cases(incidents, stalls, seed)] == list(range(incidents))


@given(incidents=st.integers(1, 60), stalls=st.integers(1, 20), seed=seeds)
def test_each_stall_has_a_lane_of_its_own(incidents: int, stalls: int, seed: int) -> None:
    for number, lane in enumerate(lanes(incidents, stalls, seed)):
        assert {case.stall for case in lane} <= {number}


@given(incidents=st.integers(1, 60), stalls=st.integers(1, 20), seed=seeds)
def test_no_lane_is_longer_than_another_by_two(incidents: int, stalls: int, seed: int) -> None:
    lengths = [len(lane) for lane in lanes(incidents, stalls, seed)]
    assert max(lengths) - min(lengths) <= 1


@given(seed=seeds)
def test_the_same_seed_gives_the_same_incidents(seed: int) -> None:
    assert cases(20, 4, seed) == cases(20, 4, seed)


@given(seed=seeds)
def test_a_longer_run_begins_as_a_shorter_one(seed: int) -> None:
    assert cases(30, 5, seed)[:12] == cases(12, 5, seed)


def test_other_seeds_give_other_blows() -> None:
    assert [case.blows for case in cases(20, 4, 1)] != [case.blows for case in cases(20, 4, 2)]


@given(seed=seeds)
def test_every_incident_is_struck(seed: int) -> None:
    assert all(case.blows for case in cases(20, 4, seed))


def test_two_hundred_incidents_see_every_blow_at_every_point() -> None:
    struck = [blow for case in cases(200, 20, 1) for blow in case.blows]
    assert {blow.blow for blow in struck} == set(Blow)
    assert {blow.point for blow in struck} == set(Point)


def test_the_target_is_struck_when_it_is_spoken_to() -> None:
    struck = [blow for case in cases(200, 20, 1) for blow in case.blows]
    assert {blow.point for blow in struck if blow.blow.startswith("target")} == {Point.APPROVED}

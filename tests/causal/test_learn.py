"""What a lesson does to the priors: counts fade, and their order does not matter."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.evidence import Deed, Demotion, Fault, Lesson, PlaybookRecord, Priors, Restoration
from causal.learn import DAY, DEEDS_KEPT_FOR, HALF_LIFE, MOST_DEEDS, aged, learn, remaining

T0 = 1_790_000_000.0


def run(
    number: int, *, worked: bool = True, at: float = T0, service: str = "cart", credit: float = 1.0
) -> Lesson:
    return Lesson(
        incident=f"i{number}",
        plan="p1",
        playbook="mend",
        service=service,
        fault=Fault.CPU,
        worked=worked,
        credit=credit if worked else 0.0,
        at=at,
        deed=deed(f"i{number}", service=service, at=at, wrong=not worked, credit=credit if worked else 0.0),
    )


def deed(
    incident: str, *, service: str = "cart", at: float = T0, wrong: bool = False, credit: float = 1.0
) -> Deed:
    return Deed(
        incident=incident,
        plan="p1",
        playbook="mend",
        fault=Fault.CPU,
        service=service,
        chance=0.9,
        alone=True,
        wrong=wrong,
        at=at,
        credit=credit,
    )


def word(number: int, service: str, *, confirmed: bool) -> Lesson:
    """What a person said of an incident's cause."""
    return Lesson(
        incident=f"i{number}",
        service=service,
        fault=Fault.CPU,
        confirmed=confirmed,
        raw_probability=0.9,
        probability=0.8,
        at=T0 + DAY,
    )


def after(*lessons: Lesson, priors: Priors | None = None) -> Priors:
    known = priors or Priors()
    for lesson in lessons:
        known = learn(known, lesson)
    return known


def record(priors: Priors, service: str = "") -> PlaybookRecord:
    return priors.record("mend", Fault.CPU, service)


lessons = st.lists(
    st.builds(
        run,
        st.integers(0, 10**6),
        worked=st.booleans(),
        at=st.floats(T0, T0 + 1000 * DAY),
        service=st.sampled_from(["cart", "gateway"]),
        credit=st.floats(0, 1),
    ),
    max_size=12,
    unique_by=lambda lesson: lesson.incident,
)


# Counting


def test_a_run_counts_for_its_service_and_for_all_together() -> None:
    known = after(run(1), run(2, service="gateway"))
    assert [record(known, name).successes for name in ("", "cart", "gateway")] == [2.0, 1.0, 1.0]


def test_a_recovery_counts_as_far_as_it_speaks_for_the_playbook() -> None:
    assert record(after(run(1, credit=0.25))).successes == 0.25


def test_what_speaks_against_a_playbook_is_a_part_of_a_failure() -> None:
    late = run(1, credit=0.0).model_copy(update={"debit": 0.5})
    assert (record(after(late)).successes, record(after(late)).failures) == (0.0, 0.5)


def test_a_declined_plan_is_neither_success_nor_failure() -> None:
    declined = Lesson(incident="i", playbook="mend", service="cart", fault=Fault.CPU, declined=True, at=T0)
    known = record(after(declined))
    assert (known.declined, known.successes, known.failures) == (1.0, 0.0, 0.0)


def test_two_plans_of_one_playbook_in_one_incident_are_two_lessons() -> None:
    assert run(1).key != run(1).model_copy(update={"plan": "p2"}).key


# Fading


def test_half_of_a_record_is_left_after_its_half_life() -> None:
    assert aged(record(after(run(1))), T0 + HALF_LIFE).successes == pytest.approx(0.5)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_the_older_a_count_the_less_of_it_is_left(a: float, b: float) -> None:
    assert 0.0 <= remaining(max(a, b)) <= remaining(min(a, b)) <= 1.0


@given(st.floats(0, 1e8), st.floats(0, 1e8))
def test_fading_twice_is_fading_once_for_both_times(a: float, b: float) -> None:
    once = record(after(run(1)))
    assert aged(aged(once, T0 + a), T0 + a + b).successes == pytest.approx(aged(once, T0 + a + b).successes)


def test_a_record_of_an_unknown_time_does_not_fade_away() -> None:
    old = PlaybookRecord(playbook="mend", fault=Fault.CPU, successes=3.0)
    assert record(after(run(1), priors=Priors(playbooks=(old,)))).successes == 4.0


@given(lessons, st.randoms())
def test_the_order_of_lessons_does_not_matter(told: list[Lesson], dice: random.Random) -> None:
    shuffled = list(told)
    dice.shuffle(shuffled)
    once, again = after(*told), after(*shuffled)
    assert [(r.service, r.at) for r in once.playbooks] == [(r.service, r.at) for r in again.playbooks]
    for one, other in zip(once.playbooks, again.playbooks, strict=True):
        assert (one.successes, one.failures) == pytest.approx((other.successes, other.failures))


@given(lessons, st.randoms())
def test_the_deeds_are_the_same_in_whatever_order_they_were_told(
    told: list[Lesson], dice: random.Random
) -> None:
    shuffled = list(told)
    dice.shuffle(shuffled)
    assert after(*told).deeds == after(*shuffled).deeds


# Deeds


def test_a_deed_is_kept_with_its_lesson() -> None:
    assert [known.incident for known in after(run(1)).deeds] == ["i1"]


def test_a_deed_that_is_told_twice_is_kept_once() -> None:
    assert len(after(run(1), run(1)).deeds) == 1


def test_deeds_are_forgotten_after_a_year() -> None:
    later = run(2, at=T0 + DEEDS_KEPT_FOR + DAY)
    assert [known.incident for known in after(run(1), later).deeds] == ["i2"]


def test_no_more_deeds_are_kept_than_may_be_and_the_oldest_go() -> None:
    many = Priors(deeds=tuple(deed(f"i{n}", at=T0 + n) for n in range(MOST_DEEDS)))
    known = after(run(10**6, at=T0 + MOST_DEEDS), priors=many).deeds
    assert (len(known), known[0].incident) == (MOST_DEEDS, "i1")


# What people say


def test_a_correction_makes_the_deed_on_the_wrong_service_wrong() -> None:
    assert [known.wrong for known in after(run(1), word(1, "gateway", confirmed=False)).deeds] == [True]


def test_a_correction_takes_back_the_success_of_what_treated_the_wrong_service() -> None:
    known = after(run(1, credit=0.75), run(2), word(1, "gateway", confirmed=False))
    assert (record(known).successes, record(known, "cart").successes) == pytest.approx((1.0, 1.0))


def test_a_correction_that_is_told_again_takes_nothing_back_twice() -> None:
    wrong = word(1, "gateway", confirmed=False)
    known = after(run(1), run(2), wrong, wrong)
    assert record(known).successes == pytest.approx(1.0)


def test_a_confirmed_cause_leaves_its_deed_as_it_was() -> None:
    assert [known.wrong for known in after(run(1), word(1, "cart", confirmed=True)).deeds] == [False]


def test_a_word_about_one_incident_touches_no_other_deed() -> None:
    assert [known.wrong for known in after(run(1), word(2, "gateway", confirmed=False)).deeds] == [False]


def test_a_label_knows_what_people_were_told_and_when() -> None:
    [label] = after(word(1, "cart", confirmed=True)).labels
    assert (label.probability, label.at) == (0.8, T0 + DAY)


# Autonomy


def test_a_demotion_is_in_force_for_its_playbook() -> None:
    demoted = after(Lesson(incident="", demotion=Demotion(playbook="mend", because="drift", at=T0)))
    assert demoted.demotion("mend") is not None
    assert demoted.demotion("other") is None


def test_a_demotion_of_all_is_in_force_for_each() -> None:
    assert after(Lesson(incident="", demotion=Demotion(because="drift", at=T0))).demotion("mend")


def test_a_restoration_ends_the_demotion_and_is_remembered() -> None:
    known = after(
        Lesson(incident="", demotion=Demotion(playbook="mend", because="drift", at=T0)),
        Lesson(incident="", restoration=Restoration(playbook="mend", by="ada", because="mended", at=T0)),
    )
    assert (known.demotions, [each.by for each in known.restorations]) == ((), ["ada"])


def test_other_lessons_leave_a_demotion_in_force() -> None:
    demoted = Lesson(incident="", demotion=Demotion(playbook="mend", because="drift", at=T0))
    assert after(demoted, run(1)).demotion("mend") is not None

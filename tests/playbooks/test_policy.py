from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.errors import MalformedSettings
from playbooks.calendar import WEEKDAYS
from playbooks.policy import LEVELS, Freeze, Policy, Rule, read_policy
from playbooks.policy import __doc__ as the_page

BERLIN = ZoneInfo("Europe/Berlin")
names = st.sampled_from(["*", "cart", "cart*", "mend", "staging"])
rules = st.builds(
    Rule,
    playbook=names,
    service=names,
    environment=names,
    autonomy=st.none() | st.sampled_from(LEVELS),
    min_verified_successes=st.none() | st.integers(0, 9),
)


def at(text: str, fold: int = 0) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def freeze(text: str) -> Freeze:
    (made,) = read_policy(f"freezes:\n  - {text}", "policy.yaml").freezes
    return made


YEAR_END = freeze("{because: year end, from: 2026-12-20T18:00, to: 2027-01-04T08:00, zone: Europe/Berlin}")
WEEKENDS = freeze("{because: weekend, weekdays: [sat, sun], zone: Europe/Berlin}")
NIGHTS = freeze('{because: fridays, weekdays: [fri], hours: "22:00-06:00", zone: Europe/Berlin}')
OFFICE = freeze('{because: office, weekdays: [mon], hours: "09:00-17:00", zone: America/New_York}')
CLOCK_BACK = freeze("{because: dst, from: 2026-10-25T01:00, to: 2026-10-25T02:30, zone: Europe/Berlin}")


def test_an_empty_policy_is_the_default() -> None:
    assert read_policy("", "policy.yaml") == Policy()


def test_the_page_of_the_fields_is_itself_a_policy() -> None:
    written = (the_page or "").split("\n\n")[1]
    assert read_policy(written, "page").rules[0].playbook == "restart-*"


def test_what_the_page_calls_defaults_are_the_defaults() -> None:
    written = read_policy((the_page or "").split("\n\n")[1], "page")
    shown: dict[str, object] = {"rules": (), "freezes": (), "frozen_targets": (), "max_blast_radius": {}}
    assert written.model_copy(update=shown) == Policy()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("suggest_over: 0.5", r"policy.yaml:1:1: suggest_over: unknown field; did you mean suggest_above\?"),
        ("stopped: false\nautonomy: automatic", r"policy.yaml:2:1: autonomy: .*'auto', not 'automatic'"),
        ("act_above: 1.5", r"policy.yaml:1:1: act_above: .*, not 1.5"),
        ("suggest_above: 0.9\nact_above: 0.8", r"act_above \(0.8\) must not be below suggest_above \(0.9\)"),
        ("suggest_above: .nan", r"policy.yaml:1:1: suggest_above"),
        (
            "rules:\n  - {act_above: 0.6}",
            r"policy.yaml:2:5: rules.0: act_above \(0.6\) must not be below",
        ),
        (
            "rules:\n  - {servce: cart}",
            r"policy.yaml:2:6: rules.0.servce: unknown field; did you mean service",
        ),
        ("error_budget: {window: 3 months}", r"policy.yaml:1:16: error_budget.window: .*not a duration"),
        ("error_budget: {certainty: 1.0}", r"policy.yaml:1:16: error_budget.certainty"),
        ("rate_limits: {alone_per_hour: -1}", r"policy.yaml:1:15: rate_limits.alone_per_hour"),
        ("max_blast_radius: {production: -1}", r"policy.yaml:1:20: max_blast_radius.production"),
    ],
)
def test_a_malformed_policy_names_its_place(text: str, says: str) -> None:
    with pytest.raises(MalformedSettings, match=says):
        read_policy(text, "policy.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{because: x, weekdays: [sat], zone: Berlin}", "'Berlin' is not an IANA time zone"),
        ("{because: x, weekdays: [sat], zone: ../etc}", "is not an IANA time zone"),
        ("{because: x, weekdays: [sat]}", "zone: is missing"),
        ("{because: x, zone: UTC}", "write either from and to, or weekdays"),
        ("{because: x, from: 2026-01-01, weekdays: [sat], zone: UTC}", "write either from and to"),
        ("{because: x, from: 2026-01-01, zone: UTC}", "write both from and to"),
        ("{because: x, from: 2026-01-02, to: 2026-01-01, zone: UTC}", "to must be later than from"),
        ("{because: x, from: 2026-01-01T00:00Z, to: 2026-01-02, zone: UTC}", "should not have timezone"),
        ('{because: x, weekdays: [sat], hours: "9-17", zone: UTC}', "'9-17' is not a stretch of hours"),
        ('{because: x, weekdays: [sat], hours: "09:00-25:00", zone: UTC}', "is not a stretch of hours"),
        ("{because: x, weekdays: [caturday], zone: UTC}", "'mon', 'tue'"),
    ],
)
def test_a_malformed_freeze_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(MalformedSettings, match=f"policy.yaml:2:.*{says}"):
        freeze(text)


@pytest.mark.parametrize(
    ("frozen", "moment", "holds"),
    [
        (YEAR_END, at("2026-12-20T17:59"), False),
        (YEAR_END, at("2026-12-20T18:00"), True),
        (YEAR_END, at("2027-01-04T07:59"), True),
        (YEAR_END, at("2027-01-04T08:00"), False),
        (WEEKENDS, at("2026-11-20T23:59"), False),
        (WEEKENDS, at("2026-11-21T00:00"), True),
        (WEEKENDS, at("2026-11-22T23:59"), True),
        (WEEKENDS, at("2026-11-23T00:00"), False),
        (NIGHTS, at("2026-11-20T21:59"), False),
        (NIGHTS, at("2026-11-20T22:00"), True),
        (NIGHTS, at("2026-11-21T05:59"), True),
        (NIGHTS, at("2026-11-21T06:00"), False),
        (NIGHTS, at("2026-11-21T22:00"), False),
        (NIGHTS, at("2026-11-20T05:00"), False),
        (OFFICE, at("2026-11-23T14:59"), False),
        (OFFICE, at("2026-11-23T15:00"), True),
        (CLOCK_BACK, at("2026-10-25T02:29", fold=1), True),
        (CLOCK_BACK, at("2026-10-25T02:30", fold=0), True),
        (CLOCK_BACK, at("2026-10-25T02:30", fold=1), False),
    ],
)
def test_a_freeze_holds_by_the_clock_of_its_zone(frozen: Freeze, moment: float, holds: bool) -> None:
    assert frozen.holds(moment) is holds


@given(st.floats(at("2026-01-01T00:00"), at("2027-01-01T00:00")))
def test_a_freeze_of_every_day_never_ends(moment: float) -> None:
    assert Freeze(because="x", weekdays=WEEKDAYS, zone="Europe/Berlin").holds(moment)


@given(st.floats(at("2026-01-01T00:00"), at("2027-01-01T00:00")))
def test_day_and_night_share_every_moment(moment: float) -> None:
    day = Freeze(because="x", weekdays=WEEKDAYS, hours="06:00-22:00", zone="Europe/Berlin")
    night = Freeze(because="x", weekdays=WEEKDAYS, hours="22:00-06:00", zone="Europe/Berlin")
    assert day.holds(moment) is not night.holds(moment)


def test_a_freeze_names_the_targets_that_it_is_about() -> None:
    books = freeze('{because: x, weekdays: [sat], zone: UTC, target: "*ledger*", environment: production}')
    touched = books.touches(("cart", "repository:ledger", "ledger"), "production")
    assert touched == ("ledger", "repository:ledger")


def test_a_freeze_of_another_environment_touches_nothing() -> None:
    books = freeze("{because: x, weekdays: [sat], zone: UTC, environment: production}")
    assert books.touches(("cart",), "staging") == ()


def test_a_service_without_a_rule_has_the_defaults() -> None:
    policy = Policy(rules=(Rule(service="cart", autonomy="auto"),))
    assert policy.terms("mend", "payment", "production").autonomy == "approve"


def test_a_rule_changes_what_it_names_and_nothing_else() -> None:
    policy = Policy(suggest_above=0.6, rules=(Rule(service="cart*", act_above=0.8),))
    terms = policy.terms("mend", "cart-2", "production")
    assert (terms.rule, terms.act_above, terms.suggest_above, terms.autonomy) == (1, 0.8, 0.6, "approve")


def test_a_zero_in_a_rule_is_not_taken_for_nothing_said() -> None:
    policy = Policy(rules=(Rule(min_verified_successes=0, suggest_above=0.0),))
    assert policy.terms("mend", "cart", "production").min_verified_successes == 0


@given(st.lists(rules, max_size=5), names, names, names)
def test_the_first_rule_that_matches_counts(
    written: list[Rule], playbook: str, service: str, environment: str
) -> None:
    number = Policy(rules=tuple(written)).terms(playbook, service, environment).rule
    matching = [n for n, rule in enumerate(written, 1) if rule.matches(playbook, service, environment)]
    assert number == next(iter(matching), None)


@given(st.lists(rules, max_size=4), rules, names, names, names)
def test_a_rule_after_the_first_match_changes_nothing(
    written: list[Rule], last: Rule, playbook: str, service: str, environment: str
) -> None:
    catch_all = Rule(autonomy="suggest")
    before, after = (
        Policy(rules=(*written, catch_all, *more)).terms(playbook, service, environment)
        for more in ((), (last,))
    )
    assert before == after


def test_the_widest_reach_is_that_of_the_environment_or_of_all_others() -> None:
    policy = read_policy('max_blast_radius: {production: 1, "*": 5}', "policy.yaml")
    assert [policy.widest(name) for name in ("production", "staging")] == [1, 5]


def test_without_a_word_on_reach_there_is_no_limit() -> None:
    assert Policy().widest("production") is None


def test_the_digest_does_not_depend_on_the_order_of_fields() -> None:
    one, other = (
        read_policy(f"max_blast_radius: {{{fields}}}", "policy.yaml").digest()
        for fields in ("production: 1, staging: 5", "staging: 5, production: 1")
    )
    assert one == other


@given(st.lists(rules, min_size=2, max_size=2, unique_by=lambda rule: rule.model_dump_json()))
def test_the_digest_depends_on_the_order_of_rules(written: list[Rule]) -> None:
    one, other = (Policy(rules=order).digest() for order in (tuple(written), tuple(reversed(written))))
    assert one != other


@given(st.lists(rules, max_size=3), st.lists(st.sampled_from([YEAR_END, NIGHTS, CLOCK_BACK]), max_size=3))
def test_a_policy_survives_being_written_as_json(written: list[Rule], frozen: list[Freeze]) -> None:
    policy = Policy(rules=tuple(written), freezes=tuple(frozen), max_blast_radius={"*": 2})
    assert Policy.model_validate_json(policy.model_dump_json()) == policy

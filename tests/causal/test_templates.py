"""Log templates: what varies by itself is taken out, and what tells lines apart stays."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.templates import GAP, Templates, distinct, mine, words

NAMES = ("anna", "bela", "cira", "dora", "elsa", "fina", "gala")
COLOURS = ("red", "green")
TEXTS = st.lists(
    st.lists(st.sampled_from(["cart", "paid", "7", "file#3", "id=4", "[a, b]", "x"]), max_size=6).map(
        " ".join
    ),
    max_size=12,
)


def read(*bodies: str) -> Templates:
    return mine([words(body) for body in bodies])


def code(templates: Templates, body: str) -> int:
    return int(templates.match([words(body)])[0])


@pytest.mark.parametrize(
    ("body", "template"),
    [
        ("cart 12 paid in 3.5 ms", "cart <*> paid in <*> ms"),
        ("order 4d2a46c7-71cb-4cf1-b5bb-b68406d9da6f sent", "order <*> sent"),
        ("from 10.0.0.7:8080 at last", "from <*> at last"),
        ("user=anna asks", "user=<*> asks"),
        ("stations [rome, pisa, bari] served", "stations [<*>] served"),
        ("ticket a=1, b=2, c=3 sold", "ticket a=<*>, sold"),
    ],
)
def test_plain_values_and_runs_of_them_become_one_gap(body: str, template: str) -> None:
    assert " ".join(words(body)) == template


@pytest.mark.parametrize(
    "body", ["Pricing#46 asked", "wrote file#366 down", "train G1237 left", "v2beta is up"]
)
def test_digits_that_hang_on_letters_are_names(body: str) -> None:
    assert " ".join(words(body)) == body


def test_a_list_of_another_length_is_the_same_line() -> None:
    assert words("sold (a=1, b=2) well") == words("sold (a=1, b=2, c=3, d=4) well")


def test_lines_that_differ_in_many_words_are_one_template() -> None:
    assert read(*(f"user {name} logged in" for name in NAMES)).names == (f"user {GAP} logged in",)


def test_lines_that_differ_in_few_common_words_are_categories() -> None:
    assert read(*(f"status {colour} was set" for colour in COLOURS * 20)).names == (
        "status green was set",
        "status red was set",
    )


def test_words_that_were_each_seen_once_are_no_category() -> None:
    assert read("user anna logged in", "user bela logged in").names == (f"user {GAP} logged in",)


def test_two_code_locations_are_never_one_template() -> None:
    found = read(*(f"shop.Basket#{place} goods put into the basket" for place in range(10, 20)))
    assert len(found.patterns) == 10


def test_a_line_that_was_never_seen_has_no_template() -> None:
    assert code(read("all is well"), "nothing is well today") == -1


def test_a_word_never_seen_in_a_gap_fits_the_gap() -> None:
    templates = read(*(f"user {name} logged in" for name in NAMES))
    assert code(templates, "user zoe logged in") == 0


def test_a_word_never_seen_in_a_category_is_news() -> None:
    templates = read(*(f"status {colour} was set" for colour in COLOURS * 20))
    assert code(templates, "status black was set") == -1


def test_templates_keep_their_codes_when_others_come_beside_them() -> None:
    templates = read("all is well", "cart paid by card")
    grown = templates.beside([words("a strange thing happened here today")])
    assert grown.patterns[: len(templates.patterns)] == templates.patterns


def test_what_fits_no_template_gets_one_beside_them() -> None:
    body = "a strange thing happened here today"
    assert code(read("all is well").beside([words(body)]), body) == 1


def test_known_lines_leave_a_vocabulary_as_it_is() -> None:
    templates = read("all is well", "cart paid by card")
    assert templates.beside([words("all is well")]) == templates


def test_a_variable_met_name_by_name_becomes_a_gap_in_the_end() -> None:
    templates = Templates()
    for name in NAMES:
        templates = templates.beside([words(f"user {name} logged in")])
    assert code(templates, "user zoe logged in") >= 0


def test_the_order_of_lines_does_not_matter() -> None:
    bodies = [
        words(text)
        for text in ("cart 1 paid", "cart lost again", "all is well", "status red", "status green")
    ]
    assert len({mine(order) for order in permutations(bodies)}) == 1


@given(TEXTS)
def test_every_mined_line_fits_a_template(texts: list[str]) -> None:
    lines = [words(text) for text in texts]
    assert (mine(lines).match(lines) >= 0).all()


@given(TEXTS)
def test_lines_read_together_are_read_as_each_alone(texts: list[str]) -> None:
    numbers, lines = distinct(texts)
    assert [lines[number] for number in np.asarray(numbers).tolist()] == [words(text) for text in texts]

"""A file is changed so that its answer changes with it, and always by the same size."""

from __future__ import annotations

from soakproof.workload.languages import Language

FORMS = ['x = "{mark}";', "x = '{mark}';"]


def language(**edits: object) -> Language:
    return Language.of({"edits": edits})


def test_an_edit_takes_the_form_after_that_which_is_there() -> None:
    quotes = language(pattern="x = [\"']\\d{4}[\"'];", replace=FORMS)
    first = b'x = "1000";\n'
    second = quotes.changed(first, 2000)

    assert b"x = '2000';\n" == second
    assert b'x = "3000";\n' == quotes.changed(second, 3000)


def test_an_edit_may_keep_the_form_and_change_the_mark_alone() -> None:
    quotes = language(pattern="x = [\"']\\d{4}[\"'];", replace=FORMS)

    assert b"x = '3000';" == quotes.changed(b"x = '2000';", 3000, same_form=True)
    assert b"x = '3001';" == quotes.changed(b"x = '3000';", 3000, same_form=True)


def test_what_has_none_of_the_forms_gets_the_first() -> None:
    quotes = language(pattern="x = .*;", replace=FORMS)

    assert b'x = "2000";' == quotes.changed(b"x = 7;", 2000)
    assert b'x = "2000";' == quotes.changed(b"x = 7;", 2000, same_form=True)


def test_one_text_is_a_form_too_and_gets_another_mark() -> None:
    one = language(pattern=r"\d{4}", replace="{mark}")

    assert b"soaked 2001\n" == one.changed(b"soaked 2000\n", 2000)

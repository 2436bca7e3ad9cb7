"""Settings: flag > environment > campaign > default, and what cannot be used is refused."""

from __future__ import annotations

import pytest

from soakproof.errors import UsageError
from soakproof.model import Setting, Source
from soakproof.workload.settings import parse_duration_s, resolve, resolve_bound

CAMPAIGN = (200, "ast_cache.toml")


@pytest.mark.parametrize(
    ("flags", "environ", "expected"),
    [
        ({"ops": "40"}, {"OPS": "50"}, Setting(40, Source.FLAG, "--ops")),
        ({"ops": None}, {"OPS": "50"}, Setting(50, Source.ENVIRONMENT, "OPS")),
        ({"ops": ""}, {"OPS": ""}, Setting(200, Source.CAMPAIGN, "ast_cache.toml")),
    ],
)
def test_the_stronger_source_wins(
    flags: dict[str, str | None], environ: dict[str, str], expected: Setting
) -> None:
    actual = resolve("ops", flags, environ, campaign=CAMPAIGN)

    assert expected == actual


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ops", "0", "--ops: expected a whole number of at least 1, found '0'"),
        ("ops", "abc", "--ops: expected a whole number of at least 1, found 'abc'"),
        ("workers", "0", "--workers: expected a whole number from 1 to 1024, found '0'"),
        ("duration", "5x", "--duration: expected a duration such as 90, 90s, 5m or 1.5h, found"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_flag(
    name: str, text: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(name, {name: text}, {})

    assert str(caught.value).startswith(message)


def test_a_bad_variable_is_named_as_a_variable() -> None:
    with pytest.raises(UsageError, match=r"^OPS: expected"):
        resolve("ops", {}, {"OPS": "many"})


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1.5h", 5400), (" 2m ", 120)]
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds == parse_duration_s(text)


@pytest.mark.parametrize("text", ["0", "-1", "5 m", "nan", "inf", "", "m"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration_s(text)


def test_time_beats_the_campaigns_count() -> None:
    bound = resolve_bound({"duration": "5m"}, {}, campaign_ops=CAMPAIGN)

    assert (None, 300.0) == (bound.ops.value, bound.duration_s.value)


def test_a_count_as_flag_beats_time_from_the_environment() -> None:
    bound = resolve_bound({"ops": "7"}, {"DURATION": "5m"}, campaign_ops=CAMPAIGN)

    assert (7, None) == (bound.ops.value, bound.duration_s.value)


def test_count_and_time_of_equal_strength_are_refused() -> None:
    with pytest.raises(UsageError, match="bounded by count or by time"):
        resolve_bound({"ops": "7", "duration": "5m"}, {}, campaign_ops=CAMPAIGN)

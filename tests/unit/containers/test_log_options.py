from __future__ import annotations

import pytest

from ligan.containers.log_options import LogLimits, log_limits
from ligan.errors import Invalid


def limits(**options: str) -> LogLimits:
    return log_limits(
        {"LogConfig": {"Config": {key.replace("_", "-"): value for key, value in options.items()}}}
    )


def test_sizes_are_powers_of_a_thousand() -> None:
    assert limits() == LogLimits(0, 1)
    assert limits(max_size="10m", max_file="3") == LogLimits(10_000_000, 3)
    assert limits(max_size="1.5kb") == LogLimits(1500, 1)
    assert limits(max_size="700") == LogLimits(700, 1)
    assert limits(max_size="-1") == LogLimits(0, 1)
    assert log_limits({}) == LogLimits(0, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_size": "10x"}, "invalid size: '10x'"),
        ({"max_size": "m"}, "invalid size: 'm'"),
        ({"max_size": "9" * 400}, f"invalid size: '{'9' * 400}'"),
        ({"max_file": "x", "max_size": "1m"}, 'strconv.Atoi: parsing "x": invalid syntax'),
        ({"max_file": "0", "max_size": "1m"}, "max-file cannot be less than 1"),
    ],
)
def test_what_is_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid) as error:
        limits(**options)
    assert error.value.message == words

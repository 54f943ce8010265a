from __future__ import annotations

from typing import Any

from ligan.containers.health import SECOND, Answer, after, at_end, at_start, check_of


def test_nothing_is_checked_without_a_test() -> None:
    configs: list[dict[str, Any]] = [
        {},
        {"Healthcheck": None},
        {"Healthcheck": {"Test": []}},
        {"Healthcheck": {"Test": ["NONE"]}},
    ]
    for config in configs:
        assert check_of(config) is None
        assert at_start(config, None) is None
    assert at_end(None) is None


def test_commands_and_defaults() -> None:
    check = check_of({"Healthcheck": {"Test": ["CMD-SHELL", "a | b"]}})
    assert check is not None
    assert check.command == ("/bin/sh", "-c", "a | b")
    assert (check.interval, check.timeout, check.retries) == (30 * SECOND, 30 * SECOND, 3)
    other = check_of({"Healthcheck": {"Test": ["CMD", "a", "b"], "Retries": 5}, "Shell": ["/bin/ash"]})
    assert other is not None
    assert (other.command, other.retries) == (("a", "b"), 5)


def answers(*statuses: int, start_period: int = 0, retries: int = 2) -> list[tuple[str, int]]:
    """Return what a container is called after each answer; they come a second apart."""
    config = {"Healthcheck": {"Test": ["CMD", "x"], "StartPeriod": start_period, "Retries": retries}}
    check, health = check_of(config), at_start(config, None)
    assert check is not None
    assert health is not None
    called = []
    for second, status in enumerate(statuses):
        health = after(health, check, Answer(second * SECOND, second * SECOND, status, ""), 0)
        called.append((health["Status"], health["FailingStreak"]))
    return called


def test_failures_in_a_row_make_it_unhealthy() -> None:
    assert answers(0, 1, 0, 1, 1, 0) == [
        ("healthy", 0),
        ("healthy", 1),
        ("healthy", 0),
        ("healthy", 1),
        ("unhealthy", 2),
        ("healthy", 0),
    ]


def test_failures_do_not_count_while_it_starts() -> None:
    assert answers(1, 1, 1, 1, start_period=2 * SECOND) == [
        ("starting", 0),
        ("starting", 0),
        ("starting", 1),
        ("unhealthy", 2),
    ]


def test_five_answers_are_kept_and_outlive_a_restart() -> None:
    config = {"Healthcheck": {"Test": ["CMD", "x"]}}
    check, health = check_of(config), at_start(config, None)
    assert check is not None
    for second in range(7):
        assert health is not None
        health = after(health, check, Answer(second * SECOND, second * SECOND + 1, 0, str(second)), 0)
    assert health is not None
    assert [entry["Output"] for entry in health["Log"]] == ["2", "3", "4", "5", "6"]
    assert health["Log"][0] == {
        "Start": "1970-01-01T00:00:02Z",
        "End": "1970-01-01T00:00:02.000000001Z",
        "ExitCode": 0,
        "Output": "2",
    }
    again = at_start(config, at_end(health))
    assert again == {"Status": "starting", "FailingStreak": 0, "Log": health["Log"]}


def test_checks_come_faster_while_it_starts_where_that_is_asked_for() -> None:
    asked = {"Test": ["CMD", "x"], "Interval": 9 * SECOND, "StartPeriod": 5 * SECOND}
    check = check_of({"Healthcheck": asked | {"StartInterval": SECOND}})
    assert check is not None
    waits = [check.wait("starting", 4 * SECOND), check.wait("starting", 5 * SECOND), check.wait("healthy", 0)]
    assert waits == [SECOND, 9 * SECOND, 9 * SECOND]
    plain = check_of({"Healthcheck": asked})
    assert plain is not None
    assert plain.wait("starting", 0) == 9 * SECOND

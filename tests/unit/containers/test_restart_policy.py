from __future__ import annotations

import pytest

from ligan.containers.restart_policy import (
    FIRST_WAIT,
    LONGEST_WAIT,
    STEADY_AFTER,
    wait_before,
    wants_restart,
    wants_start_at_boot,
)


@pytest.mark.parametrize(
    ("name", "most", "exit_code", "restarts", "by_hand", "expected"),
    [
        ("no", 0, 1, 0, False, False),
        ("", 0, 1, 0, False, False),
        ("always", 0, 0, 9, False, True),
        ("always", 0, 0, 9, True, False),
        ("unless-stopped", 0, 0, 0, False, True),
        ("unless-stopped", 0, 0, 0, True, False),
        ("on-failure", 0, 0, 0, False, False),
        ("on-failure", 0, 1, 99, False, True),
        ("on-failure", 3, 1, 2, False, True),
        ("on-failure", 3, 1, 3, False, False),
    ],
)
def test_who_is_started_again(
    name: str, most: int, exit_code: int, restarts: int, *, by_hand: bool, expected: bool
) -> None:
    host_config = {"RestartPolicy": {"Name": name, "MaximumRetryCount": most}}
    assert expected is wants_restart(
        host_config, exit_code=exit_code, restarts=restarts, stopped_by_hand=by_hand
    )


def test_always_is_started_with_the_daemon_though_it_was_stopped() -> None:
    for name, expected in (("always", True), ("unless-stopped", False), ("on-failure", False), ("no", False)):
        found = wants_start_at_boot(
            {"RestartPolicy": {"Name": name}}, exit_code=137, restarts=0, stopped_by_hand=True
        )
        assert found is expected


def test_waits_double_up_to_a_minute_and_begin_anew_after_a_steady_run() -> None:
    waits = [0]
    for restarts in range(12):
        waits.append(wait_before(restarts, 0, waits[-1]))
    assert waits[1:5] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT
    assert wait_before(12, STEADY_AFTER, LONGEST_WAIT) == FIRST_WAIT

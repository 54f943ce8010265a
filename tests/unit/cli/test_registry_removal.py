from __future__ import annotations

import pytest

from ligan.cli.output import Failure
from ligan.cli.registry_folder import undo_policy
from ligan.cli.session import Session

HOUR = 3600 * 10**9


def test_flag_for_the_undo_window_wins_over_the_setting() -> None:
    session = Session((), "", {"LIGAN_UNDO_WINDOW": "24h", "LIGAN_UNDO_DISK_LIMIT": "50%"})
    assert undo_policy(session).window == 24 * HOUR
    policy = undo_policy(session, window="30m", now=True)
    assert (policy.window, policy.disk_limit, policy.budget, policy.now) == (HOUR // 2, 0.5, None, True)
    assert undo_policy(session, window="0").window == 0
    with pytest.raises(Failure, match="--undo-window: 'soon' is not a duration"):
        undo_policy(session, window="soon")

from __future__ import annotations

from io import StringIO

import pytest

from ligan.cli.output import Failure
from ligan.cli.registry_check import Progress
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


def test_progress_of_fsck_is_shown_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    Progress().show(1, 2)
    assert shown.getvalue() == ""
    monkeypatch.setattr("ligan.cli.registry_check.is_terminal", lambda _stream: True)
    progress = Progress()
    for done in (0, 1_000_000, 1_000_001, 4_000_000):
        progress.show(done, 4_000_000)
    progress.clear()
    assert shown.getvalue() == (
        "\r\x1b[Khashed 0B of 4MB, 0 %\r\x1b[Khashed 1MB of 4MB, 25 %\r\x1b[Khashed 4MB of 4MB, 100 %\r\x1b[K"
    )

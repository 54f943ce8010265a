"""Symbolic modes of `--chmod` are those of chmod(1)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ligan.build.modes import parse_mode

if TYPE_CHECKING:
    import pytest

_CLAUSES = st.tuples(
    st.text("ugoa", max_size=3).filter(bool), st.sampled_from("+-="), st.text("rwxXst", max_size=4)
).map("".join)
_COPIES = st.tuples(st.sampled_from("ugoa"), st.sampled_from("+-="), st.sampled_from("ugo")).map("".join)


@settings(max_examples=60)
@given(
    clauses=st.lists(_CLAUSES | _COPIES, min_size=1, max_size=3),
    mode=st.integers(0, 0o7777),
    is_folder=st.booleans(),
)
def test_symbolic_mode_does_what_chmod_does(
    tmp_path_factory: pytest.TempPathFactory, clauses: list[str], mode: int, is_folder: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / f"mode-{is_folder}"
    if not path.exists():
        path.mkdir() if is_folder else path.touch()
    text = ",".join(clauses)
    path.chmod(mode)
    subprocess.run(["chmod", text, path], check=True)
    assert oct(parse_mode(text)(mode, is_folder)) == oct(path.stat().st_mode & 0o7777)

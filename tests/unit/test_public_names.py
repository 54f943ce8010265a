from __future__ import annotations

import subprocess
import sys

import pytest

import ligan


def test_every_public_name_can_be_had() -> None:
    for name in ligan.__all__:
        assert getattr(ligan, name) is not None
    assert dir(ligan) == sorted(ligan.__all__)


def test_other_names_are_absent() -> None:
    with pytest.raises(AttributeError, match="module 'ligan' has no attribute 'nope'"):
        getattr(ligan, "nope")  # noqa: B009 - a type checker knows already


def test_importing_ligan_imports_nothing_else_of_it() -> None:
    program = "import ligan, sys; print(*[name for name in sys.modules if name.startswith('ligan.')])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "\n"

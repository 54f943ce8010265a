from __future__ import annotations

import pytest

from ligan import errors
from ligan.api.errors import PageNotFound, status_of
from ligan.errors import LiganError
from ligan.images.removal import NoSuchImage
from ligan.oci.reference import InvalidReference

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__base__ is LiganError]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_the_status_that_it_names(kind: type[LiganError]) -> None:
    assert f"HTTP {status_of(kind('x'))}." in (kind.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "status"), [(PageNotFound(), 404), (NoSuchImage("x"), 404), (InvalidReference(), 400)]
)
def test_an_error_has_the_status_of_its_kind(error: LiganError, status: int) -> None:
    assert status_of(error) == status

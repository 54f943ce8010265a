"""Scenarios of saving, loading and importing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.golden import Replay, Step


def test_golden_e_save_load(replay: Callable[[str], Replay]) -> None:
    def steps(checksum: str, content: bytes) -> list[Step]:
        return [
            ("/bin/sh -c echo one > /one", {"one": b"one\n"}),
            (f"/bin/sh -c #(nop) COPY file:{checksum} in /f ", {"f": content}),
            ('/bin/sh -c #(nop)  CMD ["cat" "/f"]', None),
        ]

    first = steps("c5b919daeffc2bc186359fc41a5e9d09641dc958fb7174297b394a1df502288f", b"1\n")
    second = steps("1" * 64, b"2\n")
    golden = replay("e_save_load")
    golden.build("app:1", first)
    golden.check_range(2, 5)
    listings = (11, 13, 15, 17, 19)  # members by the hash of a layer, so in another order
    golden.check_range(10, 48, without=(*listings, 32))
    golden.build("app:1", second, cache=False)
    golden.check_range(51, 55)
    golden.build("app:1", second, cache=False)
    golden.check_range(57, 66, without=(58,))


def test_golden_l_import(replay: Callable[[str], Replay]) -> None:
    golden = replay("l_import_export")
    golden.write("ex.tar", golden.busybox.layers[0])
    golden.check(6, 7, 8, 10, 11)
    # Not containers, nor a listing of images of the same second, in any order.
    golden.check_range(14, 29, without=(15, 16, 21, 28))

"""Networks that cannot be made, and filters of their list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ligan.containers import networks
from ligan.errors import Conflict, Forbidden, Invalid, LiganError, NotFound

if TYPE_CHECKING:
    from tests.support.stores import Stock


def _create(stock: Stock, **request: Any) -> None:
    with stock.store.database.write() as tx:
        networks.create(tx, request, 0, "")


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        ({"Name": "none"}, Forbidden, "operation is not permitted on predefined none network "),
        ({"Name": "default"}, Forbidden, "operation is not permitted on predefined default network "),
        ({"Name": "a/b"}, Invalid, "invalid network name 'a/b'"),
        ({"Name": "net", "Driver": "macvlan"}, NotFound, 'plugin "macvlan" not found'),
        ({"Name": "net", "Driver": "host"}, Forbidden, 'only one instance of "host" network is allowed'),
        ({"Name": "net", "EnableIPv6": True}, Invalid, "IPv6 networks are not supported"),
    ],
)
def test_what_cannot_be_made(
    stock: Stock, request_: dict[str, Any], error: type[LiganError], words: str
) -> None:
    with pytest.raises(error) as raised:
        _create(stock, **request_)
    assert raised.value.message.startswith(words)


def test_a_name_is_taken_once(stock: Stock) -> None:
    _create(stock, Name="net")
    with pytest.raises(Conflict, match="network with name net already exists"):
        _create(stock, Name="net", CheckDuplicate=True)


def test_the_filter_dangling_is_true_or_false(stock: Stock) -> None:
    _create(stock, Name="net")
    with stock.store.database.read() as tx:
        for value, names in (("true", ["net"]), ("1", ["net"]), ("0", [])):
            found = networks.listing(tx, {"dangling": [value]})
            assert [network["Name"] for network in found] == names
        with pytest.raises(Invalid, match="invalid value for filter 'dangling'"):
            networks.listing(tx, {"dangling": ["x"]})

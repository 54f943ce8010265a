"""Registries that last as long as a test."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from ligan.remote.endpoint import RemoteSettings
from ligan.remote.progress import Pushed
from ligan.remote.repository import Registry
from tests.support.honest_registry import HonestRegistry
from tests.support.lying_registry import LyingRegistry
from tests.support.waiting import SECONDS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from ligan.remote.credentials import Credentials
    from ligan.remote.progress import Message
    from tests.support.lying_registry import Reply, Request
    from tests.support.stores import Stock

FAST = RemoteSettings(
    connect_timeout=SECONDS,
    handshake_timeout=SECONDS,
    answer_timeout=SECONDS,
    idle_timeout=SECONDS,
    attempts=3,
    first_wait=0.0,
)
"""Nothing is waited for between attempts; what has to time out sets its own times."""


class Registries:
    """Makes registries that lie, and clients of them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def serve(
        self, answer: Callable[[Request], Reply | None], *, tls: ssl.SSLContext | None = None
    ) -> LyingRegistry:
        return self._stack.enter_context(LyingRegistry(answer, tls=tls))

    def open(
        self,
        registry: LyingRegistry | str,
        settings: RemoteSettings = FAST,
        credentials: Credentials | None = None,
    ) -> Registry:
        domain = registry if isinstance(registry, str) else registry.host
        return self._stack.enter_context(Registry.open(domain, settings, credentials))


@pytest.fixture
def registries() -> Iterator[Registries]:
    with ExitStack() as stack:
        yield Registries(stack)


@pytest.fixture
def registry() -> Iterator[HonestRegistry]:
    with HonestRegistry() as registry:
        yield registry


class Told:
    """A stock that deals with a registry, and what it told on the way."""

    def __init__(self, stock: Stock, registry: HonestRegistry) -> None:
        self.stock = stock
        self.registry = registry
        self.told: list[Message] = []
        stock.engine.remote = FAST

    @property
    def lines(self) -> list[str]:
        """What docker prints off a terminal."""
        return [
            f"{each.id}: {each.status}" if each.id else each.status
            for each in self.told
            if not each.total and not isinstance(each, Pushed)
        ]

"""Which events somebody wants to hear of, and how Docker writes one. Pure."""

from __future__ import annotations

from ligan.errors import Invalid
from ligan.images.times import until_time
from ligan.oci.reference import InvalidReference, parse
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ligan.images.events import Event

    Filters = Mapping[str, Sequence[str]]

SECOND = 10**9
_LAST_TIME = (1 << 63) - 1

_BY_NAME = ("daemon", "container", "plugin", "volume", "network", "node", "service", "secret", "config")
"""Filters that hold where the actor's ID or name begins with a value, whatever the event's type is."""

_SUFFIXED = {"health_status", "exec_create", "exec_start"}
"""Actions that go on after a colon: filters that name one compare beginnings (moby issue 25798)."""


class EventQuery(Value):
    """What a listener asks for. Times are nanoseconds since 1970, both inclusive."""

    since: int | None
    until: int | None
    filters: Filters

    def includes(self, event: Event, past: int) -> bool:
        """Return whether to tell the event. As for Docker, `since` looks back only: at keys up to `past`."""
        if event.key <= past and event.at < (self.since or 0):
            return False
        if self.until is not None and event.at > self.until:
            return False
        return matches(self.filters, event)


def read_query(since: str, until: str, filters: Filters, now: int) -> EventQuery:
    """Read the times of `--since` and `--until`, where they are given. Raises Invalid."""
    query = EventQuery(_read_time(since, now), _read_time(until, now), filters)
    if query.since is not None and query.until is not None and query.until < query.since:
        raise Invalid(f"`since` time ({since}) cannot be after `until` time ({until})")
    return query


def _read_time(text: str, now: int) -> int | None:
    """Return nanoseconds since 1970, of a time beyond the 64 bits of the database the nearest that it has.

    Docker's daemon takes seconds only, its client translates the rest.
    """
    return max(-_LAST_TIME, min(until_time(text, now), _LAST_TIME)) if text else None


def matches(filters: Filters, event: Event) -> bool:
    """Return whether Docker would tell the event to a client with these filters (golden n_events).

    A name that Docker does not know filters nothing.
    """
    name = event.attributes.get("name", "")
    return (
        _is_action(filters, event.action)
        and _is_one_of(filters, "type", event.type)
        and _is_one_of(filters, "scope", "local")
        and all(
            _begins_with(filters, key, event.actor) or _begins_with(filters, key, name) for key in _BY_NAME
        )
        and _is_image(filters, event)
        and _has_labels(filters, event.attributes)
    )


def _is_one_of(filters: Filters, key: str, value: str) -> bool:
    return not filters.get(key) or value in filters[key]


def _begins_with(filters: Filters, key: str, value: str) -> bool:
    return not filters.get(key) or value.startswith(tuple(filters[key]))


def _is_action(filters: Filters, action: str) -> bool:
    if _SUFFIXED.isdisjoint(filters.get("event", ())):
        return _is_one_of(filters, "event", action)
    return _begins_with(filters, "event", action)


def _is_image(filters: Filters, event: Event) -> bool:
    """Compare an image's ID and name, with and without tag; and the image of a container."""
    if not filters.get("image"):
        return True
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    texts = (event.actor, name, _without_tag(event.actor), _without_tag(name))
    return not set(filters["image"]).isdisjoint(texts)


def _without_tag(text: str) -> str:
    try:
        return parse(text).familiar_repository
    except InvalidReference:
        return text


def _has_labels(filters: Filters, attributes: Mapping[str, str]) -> bool:
    """Every attribute counts, not the labels alone; `key` without a value asks that it be there."""
    for wanted in filters.get("label", ()):
        key, equals, value = wanted.partition("=")
        if key not in attributes or (equals and attributes[key] != value):
            return False
    return True


def document(event: Event) -> dict[str, Any]:
    """Return one event as Docker writes it; the first keys are for clients older than API 1.22."""
    old: dict[str, str] = {}
    if event.type in ("image", "container"):
        old = {
            "status": event.action,
            "id": event.actor,
            "from": event.attributes.get("image", "") if event.type == "container" else "",
        }
    return {
        **{key: value for key, value in old.items() if value},
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.actor, "Attributes": dict(sorted(event.attributes.items()))},
        "scope": "local",
        "time": event.at // SECOND,
        "timeNano": event.at,
    }

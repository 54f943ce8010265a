"""`events`: what has happened in the store, and what happens, whoever does it."""

from __future__ import annotations

import time

from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import FILTER, INSPECT_FORMAT, TEXT, Flag
from ligan.cli.output import Failure, flush, write
from ligan.errors import Invalid, LiganError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.cli.templates import Struct
    from ligan.engine.role import Engine
    from ligan.images.event_filters import EventQuery
    from ligan.images.events import Event

_PAUSE = 0.05
"""Seconds between two looks for new events: no daemon tells of them."""

_BATCH = 64
_BAD_TEMPLATE_STATUS = 64


def _events(session: Session, options: Options) -> int:
    from ligan.images.event_filters import read_query

    show = _shower(options.text("format"))
    for name in ("since", "until"):
        _check_time(options.text(name), session.now())
    query = read_query(options.text("since"), options.text("until"), options.filters(), session.now())
    _tell(session.engine, query, show, session.now)
    return 0


def _check_time(text: str, now: int) -> None:
    """Raise Failure for what docker's client takes for no time."""
    from ligan.images.times import until_time

    try:
        if text:
            until_time(text, now)
    except Invalid as error:
        raise Failure(error.message) from None


def _tell(engine: Engine, query: EventQuery, show: Callable[[Event], str], now: Callable[[], int]) -> None:
    """Write events until the time that was asked for, or for ever."""
    past = engine.last_event()
    is_new_only = query.since is None and query.until is None
    key, last = past if is_new_only else engine.event_before(query.since or 0), None
    while last is None or key < last:
        if last is None and query.until is not None and now() >= query.until:
            last = engine.last_event()
            continue
        batch = engine.events_after(key, _BATCH)
        for event in batch:
            key = event.key
            if query.includes(event, past):
                write(show(event))
        flush()
        if not batch:
            if last is not None:
                return
            time.sleep(_PAUSE)


def _shower(chosen: str) -> Callable[[Event], str]:
    """Return what makes a line of an event. Raises Failure for a template that fails."""
    if not chosen:
        return _line
    from ligan.cli.templates import Template
    from ligan.images.events import Event

    try:
        template = Template.parse("{{json .}}" if chosen == "json" else chosen)
        template.execute(_message(Event(0, 0, "", "", "", {})))
    except LiganError as error:
        words = error.message.removeprefix("template parsing error: ")
        raise Failure(f"Error parsing format: {words}", _BAD_TEMPLATE_STATUS) from None
    return lambda event: template.execute(_message(event)) + "\n"


def _line(event: Event) -> str:
    seconds, fraction = divmod(event.at, 10**9)
    local = time.localtime(seconds)
    hours, minutes = divmod(abs(local.tm_gmtoff) // 60, 60)
    zone = f"{'-' if local.tm_gmtoff < 0 else '+'}{hours:02d}:{minutes:02d}" if local.tm_gmtoff else "Z"
    attributes = ", ".join([f"{key}={value}" for key, value in sorted(event.attributes.items())])
    return (
        f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{fraction:09d}{zone} {event.type} {event.action} "
        f"{event.actor}{f' ({attributes})' if attributes else ''}\n"
    )


def _message(event: Event) -> Struct:
    """Return an event as templates see it (docker's events.Message)."""
    from ligan.cli.templates import Struct
    from ligan.images.event_filters import document

    shown = document(event)
    return Struct(
        {
            "Status": shown.get("status", ""),
            "ID": shown.get("id", ""),
            "From": shown.get("from", ""),
            "Type": shown["Type"],
            "Action": shown["Action"],
            "Actor": Struct(shown["Actor"], "events.Actor"),
            "Scope": shown["scope"],
            "Time": shown["time"],
            "TimeNano": shown["timeNano"],
        },
        "*events.Message",
        optional=("Status", "ID", "From", "Scope", "Time", "TimeNano"),
        renamed={name: name[0].lower() + name[1:] for name in ("Status", "From", "Scope", "Time", "TimeNano")}
        | {"ID": "id"},
    )


EVENTS = Command(
    _events,
    "",
    "Get real time events from the server",
    (
        Flag("filter", "Filter output based on conditions provided", "f", FILTER),
        Flag("format", INSPECT_FORMAT.help, kind=TEXT),
        Flag("since", "Show all events created since timestamp", kind=TEXT),
        Flag("until", "Stream events until this timestamp", kind=TEXT),
    ),
    error_prefix=DAEMON,
)

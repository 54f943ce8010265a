"""The daemon's log: a line an event on standard error, as JSON or as logfmt.

A request is logged without its query and headers: those carry credentials.
"""

from __future__ import annotations

import json
import logging
import time

from ligan.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

LEVELS = ("debug", "info", "warn", "error", "fatal")  # dockerd's
FORMATS = ("text", "json")  # dockerd's

_LOGGER = "ligan"
_MILLION = 10**6


def start(level: str, style: str, stream: TextIO) -> None:
    """Send everything that Ligan's modules log to `stream`. Raises Invalid for what is no level or format."""
    if style not in FORMATS:
        raise Invalid(f"unknown log format: {style}; known are {', '.join(FORMATS)}")
    logger = logging.getLogger(_LOGGER)
    set_level(level)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Json() if style == "json" else _Logfmt())
    logger.handlers = [handler]
    logger.propagate = False


def set_level(level: str) -> None:
    """Log what is of this level or above. Raises Invalid."""
    if level not in LEVELS:
        raise Invalid(f"unable to parse logging level: {level}; known are {', '.join(LEVELS)}")
    logging.getLogger(_LOGGER).setLevel(level.upper())


def log_request(method: str, path: str, status: int, seconds: float, sent: int) -> None:
    """Log an answered request; `sent` are the bytes of the answer, its headers included."""
    logger = logging.getLogger(f"{_LOGGER}.requests")
    if logger.isEnabledFor(logging.INFO):
        fields = {
            "method": method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "bytes": sent,
        }
        logger.info("request", extra={"fields": fields})


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self._facts(record), ensure_ascii=False, separators=(",", ":"))

    def _facts(self, record: logging.LogRecord) -> dict[str, object]:
        seconds, fraction = divmod(int(record.created * _MILLION), _MILLION)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        fields: Mapping[str, object] = getattr(record, "fields", {})
        facts = {
            "time": f"{stamp}.{fraction:06}Z",
            "level": {"WARNING": "warn", "CRITICAL": "fatal"}.get(record.levelname, record.levelname.lower()),
            "msg": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            facts["trace"] = self.formatException(record.exc_info)
        return facts


class _Logfmt(_Json):
    def format(self, record: logging.LogRecord) -> str:
        return " ".join([f"{key}={_quoted(value)}" for key, value in self._facts(record).items()])


def _quoted(value: object) -> str:
    text = str(value)
    if text and text.isprintable() and not set(text) & set(' "=\\'):
        return text
    return json.dumps(text, ensure_ascii=False)

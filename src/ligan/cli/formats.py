"""What the flags `--format` say of themselves: docker's texts."""

from __future__ import annotations

_TABLE = (
    "'table':            Print output in table format with column headers (default)\n"
    "'table TEMPLATE':   Print output in table format using the given Go template\n"
)

FORMAT_HELP = (
    "Format output using a custom template:\n"
    f"{_TABLE}"
    "'json':             Print in JSON format\n"
    "'TEMPLATE':         Print output using the given Go template.\n"
    "Refer to https://docs.docker.com/go/formatting/ for more information "
    "about formatting output with templates"
)

INSPECT_FORMAT_HELP = FORMAT_HELP.replace(_TABLE, "")

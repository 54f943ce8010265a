"""References as docker's client reads them, before its daemon does.

The client (28.2) carries a newer grammar than engine 20.10: there a first
component with an upper-case letter is a domain, and the words name the path.
"""

from __future__ import annotations

from ligan.oci.reference import InvalidReference, parse


def client_error(name: str) -> str:
    """Return what the client says against a name, or nothing where it leaves it to the daemon."""
    first, slash, rest = name.partition("/")
    if slash and first != first.lower() and "." not in first and ":" not in first:
        name = f"{first.lower()}.example/{rest}"  # read it as the domain that the client takes it for
    try:
        parse(name)
    except InvalidReference as error:
        if error.uppercase:
            return f"invalid reference format: repository name ({error.uppercase}) must be lowercase"
        return error.message
    return ""

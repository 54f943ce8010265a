"""`inspect`, and that of images, containers, volumes and networks."""

from __future__ import annotations

from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import INSPECT_FORMAT, TEXT, Flag
from ligan.cli.output import Failure, note, write, write_error
from ligan.errors import Invalid, LiganError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.cli.templates import Template
    from ligan.engine.role import Engine

_BAD_TEMPLATE_STATUS = 64
_TYPES = (
    "config",
    "container",
    "image",
    "network",
    "node",
    "plugin",
    "secret",
    "service",
    "task",
    "volume",
)


def _inspect(session: Session, options: Options) -> int:
    kind = options.text("type")
    if options.given("type") and kind not in _TYPES:
        known = ", ".join(f'"{name}"' for name in _TYPES)
        raise Failure(f'unknown type: "{kind}": must be one of {known}')
    return _show(session, options, kind)


def _image_inspect(session: Session, options: Options) -> int:
    return _show(session, options, "image")


def _container_inspect(session: Session, options: Options) -> int:
    return _show(session, options, "container")


def _volume_inspect(session: Session, options: Options) -> int:
    return _show(session, options, "volume")


def _network_inspect(session: Session, options: Options) -> int:
    return _show(session, options, "network")


def _show(session: Session, options: Options, kind: str) -> int:
    """Print what could be found, then what could not (golden g_inspect_format)."""
    chosen = options.text("format")
    template = _parse(chosen) if chosen not in ("", "json") else None
    size = kind in ("", "container") and options.on("size")
    documents, errors, hints = [], [], []
    for name in options.arguments:
        try:
            found, document = _find(session, name, kind, size=size)
            documents.append(document if template is None else _execute(template, found, document))
            if size and found != "container":
                write_error(f"WARNING: --size ignored for {found}\n")
        except LiganError as error:
            errors.append(error.message)
            hints.append(error.hint)
    if template is not None:
        write("".join([f"{text}\n" for text in documents]) or "\n")
    else:
        write(_compact(documents) if chosen == "json" else _indented(documents))
    if not errors:
        return 0
    write_error("".join([f"{error}\n" for error in errors]))
    note("\n".join(filter(None, hints)))
    return 1


def _find(session: Session, name: str, kind: str, *, size: bool) -> tuple[str, Mapping[str, Any]]:
    """Return what is of that name, and its document; of any kind, it is looked for in docker's order.

    Raises NotFound in docker's words for the kind asked for.
    """
    if kind not in ("", *_KINDS):
        raise NotFound(f"{DAEMON}No such {kind}: {name}")
    if not name:
        raise NotFound(f"Error: No such {kind or 'object'}: ")
    hint = ""
    for each in (kind,) if kind else _KINDS:
        try:
            return each, _document(session.engine, each, name, size=size)
        except (NotFound, Invalid) as error:
            hint = error.hint or hint
            if kind == "image":
                # Engine 20.10 says it twice.
                raise NotFound(f"{DAEMON}no such image: {name}: {error.message}", error.hint) from None
            if kind:
                raise NotFound(f"{DAEMON}{error.message}", error.hint) from None
    raise NotFound(f"Error: No such object: {name}", hint)


_KINDS = ("container", "image", "network", "volume")


def _document(engine: Engine, kind: str, name: str, *, size: bool) -> Mapping[str, Any]:
    if kind == "container":
        return engine.inspect_container(name, size=size)
    if kind == "image":
        return engine.inspect_image(name)
    return engine.inspect_network(name) if kind == "network" else engine.inspect_volume(name)


def _parse(text: str) -> Template:
    from ligan.cli.templates import Template, TemplateError

    try:
        return Template.parse(text)
    except TemplateError as error:
        raise Failure(error.message, _BAD_TEMPLATE_STATUS) from None


def _execute(template: Template, kind: str, document: Mapping[str, Any]) -> str:
    import json

    from ligan.cli.templates.documents import engine_document, image_document

    raw = _json(document)
    typed = image_document if kind == "image" else engine_document
    return template.inspect(typed(json.loads(raw)), raw)


def _compact(documents: list[Any]) -> str:
    return f"[{','.join([_json(document) for document in documents])}]\n"


def _indented(documents: list[Any]) -> str:
    return _json(documents, indent=4) + "\n"


def _json(value: object, indent: int | None = None) -> str:
    """Return JSON as Go writes it, other than that `<`, `>` and `&` stay, as the daemon leaves them."""
    import json

    separators = (",", ":" if indent is None else ": ")
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


INSPECT = Command(
    _inspect,
    "NAME|ID [NAME|ID...]",
    "Return low-level information on containers, images, networks and volumes",
    (
        INSPECT_FORMAT,
        Flag("size", "Display total file sizes if the type is container", "s"),
        Flag("type", "Only inspect objects of the given type", kind=TEXT),
    ),
    least=1,
    most=None,
)
IMAGE_INSPECT = Command(
    _image_inspect,
    "IMAGE [IMAGE...]",
    "Display detailed information on one or more images",
    (INSPECT_FORMAT,),
    least=1,
    most=None,
)
CONTAINER_INSPECT = Command(
    _container_inspect,
    "CONTAINER [CONTAINER...]",
    "Display detailed information on one or more containers",
    (INSPECT_FORMAT, Flag("size", "Display total file sizes", "s")),
    least=1,
    most=None,
)
VOLUME_INSPECT = Command(
    _volume_inspect,
    "VOLUME [VOLUME...]",
    "Display detailed information on one or more volumes",
    (INSPECT_FORMAT,),
    least=1,
    most=None,
)
NETWORK_INSPECT = Command(
    _network_inspect,
    "NETWORK [NETWORK...]",
    "Display detailed information on one or more networks",
    (INSPECT_FORMAT, Flag("verbose", "Verbose output for diagnostics", "v")),
    least=1,
    most=None,
)

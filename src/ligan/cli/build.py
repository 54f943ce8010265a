"""`build`: the modern builder, in the words and flags of `docker build` with BuildKit."""

from __future__ import annotations

import os
import stat
import sys

from ligan.cli.build_progress import failure, printer
from ligan.cli.commands import Command
from ligan.cli.flags import LIST, TEXT, Flag
from ligan.cli.output import Failure, flush, note, write, write_error
from ligan.cli.session import is_terminal
from ligan.cli.signals import end_in_order
from ligan.errors import LiganError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ligan.build.building import Checked
    from ligan.build.request import BuildOutcome, BuildRequest, Secret
    from ligan.cli.build_progress import Printer
    from ligan.cli.flags import Options
    from ligan.cli.session import Session

_FORMS = ("auto", "none", "plain", "tty", "quiet")


def _build(session: Session, options: Options) -> int:
    from ligan.cli.build_output import exporter

    form = _form(session, options)
    engine = session.remote_engine
    request = _request(session, options)
    export = exporter(options)
    _remove(options.text("iidfile"))
    end_in_order()
    shown = printer(
        form, session.now, is_terminal=is_terminal(sys.stderr), colors=not session.environ.get("NO_COLOR")
    )
    try:
        if options.on("check"):
            checked = engine.check_build(request, shown.say)
        else:
            outcome = engine.build(request, shown.say, export)
    except LiganError as error:
        shown.finish()
        return _failed(error, shown, form)
    except BaseException:
        shown.finish()
        raise
    shown.finish()
    if options.on("check"):
        return _show_check(checked)
    _warn(outcome.warnings, form)
    _told(session, options, outcome, quiet=form == "quiet")
    return 0


def _failed(error: LiganError, shown: Printer, form: str) -> int:
    """Say what went wrong, and where."""
    from ligan.build.building import BuildFailed

    lines = ""
    if isinstance(error, BuildFailed):
        lines = error.excerpt
        _warn(error.warnings, form)
    is_solving = isinstance(error, BuildFailed) or error.message.startswith("failed to read dockerfile")
    solving = "failed to solve: " if is_solving else ""
    write_error(f"{failure(shown)}{lines}ERROR: {solving}{error.message}\n")
    note(error.hint)
    return 1


def _form(session: Session, options: Options) -> str:
    """Return how progress is shown. As in buildx quiet is `-q`, and none tells not even the image's ID."""
    form = options.text("progress") or session.environ.get("BUILDKIT_PROGRESS", "") or "auto"
    if form not in _FORMS:
        raise Failure(f"invalid progress mode {form}: use auto, none, plain, tty or quiet")
    if options.on("quiet") and form not in ("auto", "quiet", "none"):
        raise Failure(f"progress={form} and quiet cannot be used together")
    return "quiet" if options.on("quiet") else form


def _show_check(checked: Checked) -> int:
    """Say what the Dockerfile had better not; the status is 1 where there is anything."""
    from ligan.dockerfile.faults import excerpt
    from ligan.dockerfile.lint import rule_url

    if not checked.advice:
        write("Check complete, no warnings found.\n")
        return 0
    count = len(checked.advice)
    write(f"Check complete, {'1 warning has' if count == 1 else f'{count} warnings have'} been found!\n")
    for advice in sorted(checked.advice, key=lambda advice: advice.line):
        lines = excerpt(checked.text, checked.name, advice.line, advice.end)
        write(f"\nWARNING: {advice.rule} - {rule_url(advice.rule)}\n{advice.text}\n{lines}")
    return 1


def _remove(path: str) -> None:
    """Have a file not tell of a build before this one."""
    try:
        if path:
            os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise Failure(f"removing image ID file: remove {path}: {(error.strerror or '').lower()}") from None


def _warn(warnings: Sequence[str], form: str) -> None:
    if warnings and form not in ("quiet", "none"):
        found = f"{len(warnings)} warning{'s' if len(warnings) > 1 else ''} found (use --check to expand)"
        write_error("".join([f"\n {found}:\n", *[f" - {warning}\n" for warning in warnings]]))


def _request(session: Session, options: Options) -> BuildRequest:
    from ligan.build.request import BuildRequest
    from ligan.cli.references import client_error

    for tag in options.values("tag"):
        error = client_error(tag)
        if error:
            raise Failure(f'invalid argument "{tag}" for "-t, --tag" flag: {error}', 125)
    network = options.text("network") or "default"
    if network not in ("default", "none", "host"):
        raise Failure(f"network mode {network!r} not supported by buildkit: use default, none or host")
    arguments = _pairs(options.values("build-arg"), session.environ)
    if session.environ.get("SOURCE_DATE_EPOCH"):
        arguments.setdefault("SOURCE_DATE_EPOCH", session.environ["SOURCE_DATE_EPOCH"])
    return BuildRequest(
        place=options.arguments[0],
        dockerfile=options.text("file"),
        stdin=sys.stdin.buffer,
        names=tuple(options.values("tag")),
        target=options.text("target"),
        arguments=arguments,
        labels=_pairs(options.values("label"), {}, empty=True),
        contexts=_contexts(options.values("build-context")),
        platform=options.text("platform"),
        pull=options.on("pull"),
        no_cache=options.on("no-cache"),
        cache_from=tuple(options.values("cache-from")),
        network=network,
        allowed=_allowed(options, network),
        secrets=dict([_secret(value, session.environ) for value in options.values("secret")]),
        agents=dict([_agent(value, session.environ) for value in options.values("ssh")]),
        host=_host(options),
        epoch=_epoch(arguments.get("SOURCE_DATE_EPOCH", "")),
        proxies=_proxies(session.environ),
    )


def _allowed(options: Options, network: str) -> tuple[str, ...]:
    from ligan.build.graph import HOST_NETWORK, INSECURE

    for value in options.values("allow"):
        if value not in (HOST_NETWORK, INSECURE):
            raise Failure(f"unknown entitlement {value}: use {HOST_NETWORK} or {INSECURE}")
    return (*options.values("allow"), *([HOST_NETWORK] if network == "host" else []))


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what is asked for the files of a scheme; those of `no` are asked directly."""
    given = {
        scheme: environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY", "")
        for scheme in ("http", "https", "no")
    }
    return {scheme: value for scheme, value in given.items() if value}


def _pairs(values: Sequence[str], environ: Mapping[str, str], *, empty: bool = False) -> dict[str, str]:
    """Return `name=value` by name. A name alone has the value of the environment, if it is there."""
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if equals or empty:
            found[name] = text
        elif name in environ:
            found[name] = environ[name]
    return found


def _contexts(values: Sequence[str]) -> dict[str, str]:
    from ligan.build.graph import context_key

    found = {}
    for value in values:
        name, equals, target = value.partition("=")
        if not equals or not name or not target:
            raise Failure(f"invalid context value: {value}, expected key=value")
        found[context_key(name)] = target
    return found


def comma_fields(text: str) -> dict[str, str]:
    """Return the fields of `a=b,c=d` by name."""
    import csv

    fields = [field.partition("=") for field in next(csv.reader([text]), [])]
    return {name.strip().lower(): value for name, _equals, value in fields}


def _secret(text: str, environ: Mapping[str, str]) -> tuple[str, Secret]:
    from ligan.build.request import Secret

    fields = comma_fields(text)
    unknown = [name for name in fields if name not in ("id", "src", "source", "env", "type")]
    if unknown:
        raise Failure(f"unexpected key '{unknown[0]}' in '{text}'")
    name = fields.get("id", "")
    if not name:
        raise Failure(f"invalid secret {text}: id is required")
    path = fields.get("src") or fields.get("source") or ""
    variable = fields.get("env") or (
        name if not path and (name in environ or fields.get("type") == "env") else ""
    )
    if variable:
        return name, Secret(value=environ.get(variable, "").encode("utf-8", "surrogateescape"))
    path = path or name
    if not os.path.exists(path):
        raise Failure(f"failed to stat {path}: stat {path}: no such file or directory")
    return name, Secret(path=os.path.abspath(path))


def _agent(text: str, environ: Mapping[str, str]) -> tuple[str, str]:
    name, _equals, path = text.partition("=")
    path = path or environ.get("SSH_AUTH_SOCK", "")
    if not path:
        raise Failure("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set")
    try:
        is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError as error:
        raise Failure(f"stat {path}: {(error.strerror or '').lower()}") from None
    if not is_socket:
        raise Failure(f"{path} is no socket of an agent: ssh-add gives a key to one")
    return name or "default", os.path.abspath(path)


def _host(options: Options) -> dict[str, object]:
    from ligan.cli import run_values as values

    host: dict[str, object] = {}
    if options.values("add-host"):
        host["ExtraHosts"] = options.read_all("add-host", values.extra_host)
    if options.text("shm-size"):
        host["ShmSize"] = options.read("shm-size", values.byte_count, 0)
    if options.values("ulimit"):
        host["Ulimits"] = options.read_all("ulimit", values.ulimit)
    if options.text("cgroup-parent"):
        host["CgroupParent"] = options.text("cgroup-parent")
    return host


def _epoch(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise Failure(f"invalid SOURCE_DATE_EPOCH: {text}")
    return int(text) * 10**9


def _told(session: Session, options: Options, outcome: BuildOutcome, *, quiet: bool) -> None:
    """Do what is asked for after a build, and say what lost its name."""
    from ligan.cli.build_output import writes_to_stdout

    if options.text("iidfile"):
        _write_file(options.text("iidfile"), outcome.image or "", "writing image ID file")
    if options.text("metadata-file"):
        _write_file(options.text("metadata-file"), _metadata(options, outcome), "writing metadata file")
    if quiet and outcome.image is not None and not writes_to_stdout(options):
        write(f"{outcome.image}\n")
        flush()
    dangling = dict.fromkeys(str(item.image) for item in outcome.replaced if item.dangling)
    if not dangling:
        return
    if options.on("rm-replaced"):
        from ligan.cli.pull import remove_replaced

        remove_replaced(session, list(dangling))
        return
    for item in outcome.replaced:
        if item.dangling:
            short = item.image.short
            note(f"{item.name} was {short}, which has no name now; remove it: ligan rmi {short}")


def _write_file(path: str, text: str, doing: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"{doing}: open {path}: {(error.strerror or '').lower()}") from None


def _metadata(options: Options, outcome: BuildOutcome) -> str:
    import json

    document: dict[str, str] = {}
    if outcome.image is not None:
        document = {"containerimage.config.digest": outcome.image, "containerimage.digest": outcome.image}
    if options.values("tag"):
        from ligan.oci.reference import parse

        names = [parse(tag).with_default_tag().canonical for tag in options.values("tag")]
        document["image.name"] = ",".join(names)
    return json.dumps(document, indent=2)


BUILD = Command(
    _build,
    "PATH | URL | -",
    "Build an image from a Dockerfile, without images in between",
    (
        Flag("add-host", 'Add a custom host-to-IP mapping (format: "host:ip")', kind=LIST),
        Flag(
            "allow",
            'Allow extra privileged entitlement (e.g., "network.host", "security.insecure")',
            kind=LIST,
        ),
        Flag("build-arg", "Set build-time variables", kind=LIST),
        Flag("build-context", "Additional build contexts (e.g., name=path)", kind=LIST),
        Flag("cache-from", "Images whose layers may be taken for steps", kind=LIST),
        Flag("cgroup-parent", 'Set the parent cgroup for the "RUN" instructions during build', kind=TEXT),
        Flag("check", "Tell what the Dockerfile had better not say, and build nothing"),
        *[Flag(name, "") for name in ("compress", "force-rm", "rm")],  # of the classic builder's containers
        Flag("file", 'Name of the Dockerfile (default: "PATH/Dockerfile")', "f", TEXT),
        Flag("iidfile", "Write the image ID to a file", kind=TEXT),
        Flag("label", "Set metadata for an image", kind=LIST),
        Flag("load", 'Shorthand for "--output=type=docker"'),
        Flag("metadata-file", "Write build result metadata to a file", kind=TEXT),
        Flag("network", 'Set the networking mode for the "RUN" instructions during build', kind=TEXT),
        Flag("no-cache", "Do not use cache when building the image"),
        Flag("output", 'Output destination (format: "type=local,dest=path")', "o", LIST),
        Flag("platform", "Set target platform for build", kind=TEXT),
        Flag(
            "progress",
            'Set type of progress output ("auto", "none", "plain", "quiet", "tty").\n'
            "Use plain to show container output",
            kind=TEXT,
        ),
        Flag("pull", "Always attempt to pull all referenced images"),
        Flag("quiet", "Suppress the build output and print image ID on success", "q"),
        Flag("rm-replaced", "Remove the image that loses its name to the new one"),
        Flag(
            "secret", 'Secret to expose to the build (format: "id=mysecret[,src=/local/secret]")', kind=LIST
        ),
        Flag("shm-size", 'Shared memory size for the "RUN" instructions', kind="bytes"),
        Flag("ssh", "SSH agent socket to expose to the build (format: default|<id>[=<socket>])", kind=LIST),
        Flag("tag", 'Name and optionally a tag (format: "name:tag")', "t", LIST),
        Flag("target", "Set the target build stage to build", kind=TEXT),
        Flag("ulimit", "Ulimit options", kind="ulimit"),
    ),
    least=1,
    most=1,
)

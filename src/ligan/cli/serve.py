"""`serve`: the Docker Engine API on sockets."""

from __future__ import annotations

import gc
import os

from ligan.cli.commands import Command
from ligan.cli.flags import LIST, TEXT, Flag
from ligan.cli.output import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ligan.api.listen import TlsFiles
    from ligan.cli.flags import Options
    from ligan.cli.session import Session


def _serve(session: Session, options: Options) -> int:
    gc.enable()  # the script of a short command turns it off
    session.enter_namespace()
    from ligan.api.operations import Settings, Tunables, run
    from ligan.api.server import Api
    from ligan.cli.settings import read_policy, read_remote

    settings = Settings(
        root=session.root,
        addresses=tuple(options.values("host")) or (_default_host(session),),
        environ=session.environ,
        tls=_tls_files(session, options),
        insecure=options.on("insecure"),
        group=options.text("group"),
        names=tuple(options.values("allow-host")),
        metrics=options.text("metrics"),
        stop_seconds=seconds(options.text("stop-timeout")),
        log_format=options.text("log-format"),
    )

    def tunables() -> Tunables:
        environ = session.environ
        return Tunables(read_policy(environ), options.text("log-level"), read_remote(environ))

    run(settings, Api, tunables)
    return 0


def _default_host(session: Session) -> str:
    from ligan.cli.settings import ROOTLESS_UID

    uid = session.environ.get(ROOTLESS_UID) or str(os.getuid())
    if uid == "0":
        return "unix:///run/ligan.sock"
    return f"unix://{session.environ.get('XDG_RUNTIME_DIR') or f'/run/user/{uid}'}/ligan.sock"


def _tls_files(session: Session, options: Options) -> TlsFiles | None:
    from ligan.api.listen import TlsFiles, default_tls_files

    given = [options.text(name) for name in ("tlscacert", "tlscert", "tlskey")]
    if not options.on("tlsverify"):
        if any(given):
            raise Failure("--tlscacert, --tlscert and --tlskey need --tlsverify")
        return None
    usual = default_tls_files(session.environ)
    return TlsFiles(given[0] or usual.ca, given[1] or usual.certificate, given[2] or usual.key)


def seconds(text: str) -> float:
    """Return seconds, given as a number of them or as a Go duration."""
    from ligan.errors import Invalid
    from ligan.oci.durations import parse_go_duration

    try:
        seconds = parse_go_duration(f"{text}s" if text.isdigit() else text) / 10**9
    except Invalid:
        seconds = -1
    if seconds < 0:
        raise Failure(f"--stop-timeout: {text!r} is not a duration such as 10s")
    return seconds


SERVE = Command(
    _serve,
    "",
    "Answer the Docker Engine API",
    (
        Flag("allow-host", "Name of this host that clients on TCP may use", kind=LIST),
        Flag("group", "Group of the unix socket (default: ligan, else docker)", kind=TEXT),
        Flag("host", "Where to listen: unix://PATH, fd:// or tcp://HOST:PORT", "H", LIST),
        Flag("insecure", "Let other machines use TCP without a certificate"),
        Flag("log-format", "Format of the log: text or json", kind=TEXT, default="text"),
        Flag(
            "log-level", "Log from this level on: debug, info, warn, error, fatal", kind=TEXT, default="info"
        ),
        Flag("metrics", "Where to serve metrics for Prometheus, such as\n127.0.0.1:9323", kind=TEXT),
        Flag("stop-timeout", "How long a stop waits for requests under way", kind=TEXT, default="10s"),
        Flag("tlscacert", "Trust clients with certificates signed by this CA", kind=TEXT),
        Flag("tlscert", "Path to the TLS certificate file", kind=TEXT),
        Flag("tlskey", "Path to the TLS key file", kind=TEXT),
        Flag("tlsverify", "Use TLS on TCP, and ask clients for certificates"),
    ),
)

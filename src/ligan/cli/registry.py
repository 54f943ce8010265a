"""`login`, `logout`, `tags` and `manifest inspect`: what needs a registry and no store."""

from __future__ import annotations

import sys

from ligan.cli.commands import DAEMON, Command
from ligan.cli.flags import TEXT, Flag
from ligan.cli.output import Failure, flush, write, write_error
from ligan.cli.session import is_terminal
from ligan.cli.settings import read_remote
from ligan.errors import LiganError, NotFound
from ligan.oci.reference import DEFAULT_DOMAIN, LEGACY_DOMAIN, Reference, parse
from ligan.remote.credentials import HUB_KEY, CredentialFile, Credentials, hostname, key_of
from ligan.remote.faults import LoginRefused, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ligan.cli.flags import Options
    from ligan.cli.session import Session
    from ligan.remote.endpoint import RemoteSettings
    from ligan.remote.repository import FetchedManifest, Registry, Repository


def _login(session: Session, options: Options) -> int:
    """Words and files are docker's (command line 28)."""
    _check_flags(options)
    settings = read_remote(session.environ)
    domain = _domain(options.arguments)
    file = CredentialFile(settings.docker_config)
    stored = file.get(key_of(domain))
    username, password = options.text("username").strip(), options.text("password").strip()
    if options.on("password-stdin"):
        password = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").strip()
    is_known = not username and not password and (stored.password or stored.identity_token)
    if is_known and _login_as_before(domain, settings, stored):
        write("Login Succeeded\n")
        return 0
    credentials = _asked_for(username, password, stored.username)
    token = _try(domain, settings, credentials)
    if token:
        credentials = credentials.replace(password="", identity_token=token)
    try:
        file.store(key_of(domain), credentials)
    except LiganError as error:
        raise Failure(f"Error saving credentials: {error.message}") from None
    if not file.helper(key_of(domain)):
        write_error(
            f"\nWARNING! Your credentials are stored unencrypted in '{file.path}'.\n"
            "Configure a credential helper to remove this warning. See\n"
            "https://docs.docker.com/go/credential-store/\n\n"
        )
    write("Login Succeeded\n")
    return 0


def _check_flags(options: Options) -> None:
    if options.given("username") and not options.text("username"):
        raise Failure("username is empty")
    if options.given("password"):
        if options.on("password-stdin"):
            raise Failure("conflicting options: cannot specify both --password and --password-stdin")
        write_error("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n")
    if options.on("password-stdin") and not options.text("username"):
        raise Failure("the --password-stdin option requires --username to be set")


def _domain(arguments: list[str]) -> str:
    """Return the canonical domain of a server's address; without one, that of Docker Hub."""
    domain = hostname(arguments[0]) if arguments else DEFAULT_DOMAIN
    return DEFAULT_DOMAIN if domain in ("", LEGACY_DOMAIN) else domain


def _open(domain: str, settings: RemoteSettings, credentials: Credentials | None = None) -> Registry:
    from ligan.remote.repository import Registry  # not for who only wants the help

    return Registry.open(domain, settings, credentials)


def _try(domain: str, settings: RemoteSettings, credentials: Credentials) -> str:
    with _open(domain, settings, credentials) as registry:
        return registry.login()


def _login_as_before(domain: str, settings: RemoteSettings, stored: Credentials) -> bool:
    """Try what is stored. Return whether it is still good, and say so where it is not."""
    write_error(
        f"Authenticating with existing credentials... [Username: {stored.username}]\n\n"
        " Info -> To login with a different account, run 'ligan logout' followed by 'ligan login'\n\n\n"
    )
    try:
        _try(domain, settings, stored)
    except LoginRefused:
        write_error("Stored credentials invalid or expired\n")
    except LiganError as error:
        write_error(f"Login did not succeed, error: {DAEMON}{error.message}\n")
    else:
        return True
    return False


def _asked_for(username: str, password: str, default: str) -> Credentials:
    """Return the credentials, asking on the terminal for what is missing."""
    if username and password:
        return Credentials(username, password)
    if not is_terminal(sys.stdin):
        raise Failure("Error: Cannot perform an interactive login from a non TTY device")
    if not username:
        username = _asked(f"Username ({default}): " if default else "Username: ") or default
        if not username:
            raise Failure("Error: Non-null Username Required")
    if not password:
        password = _asked_secretly("Password: ")
        if not password:
            raise Failure("Error: Password Required")
    return Credentials(username, password)


def _asked(prompt: str) -> str:
    write(prompt)
    flush()
    return sys.stdin.readline().strip()


def _asked_secretly(prompt: str) -> str:
    """Ask without showing what is typed."""
    try:
        import termios
    except ImportError:  # Windows
        from getpass import getpass

        return getpass(prompt).strip()
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    silent = termios.tcgetattr(descriptor)
    silent[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
        return _asked(prompt)
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
        write("\n")


LOGIN = Command(
    _login,
    "[SERVER]",
    "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
    (
        Flag("password", "Password or Personal Access Token (PAT)", "p", TEXT),
        Flag("password-stdin", "Take the Password or Personal Access Token (PAT) from stdin"),
        Flag("username", "Username", "u", TEXT),
    ),
    most=1,
    error_prefix=DAEMON,
)


def _logout(session: Session, options: Options) -> int:
    file = CredentialFile(read_remote(session.environ).docker_config)
    domain = _domain(options.arguments)
    if domain == DEFAULT_DOMAIN:
        shown, keys = HUB_KEY, [HUB_KEY]
    else:
        shown, keys = domain, [options.arguments[0], domain, f"http://{domain}", f"https://{domain}"]
    write(f"Removing login credentials for {shown}\n")
    failures = []
    for key in dict.fromkeys(keys):
        try:
            file.erase(key)
        except LiganError as error:
            failures.append(f"{key}: {error.message}\n")
    if len(failures) == len(dict.fromkeys(keys)):
        write_error("WARNING: could not erase credentials:\n" + "".join(failures))
    return 0


LOGOUT = Command(
    _logout,
    "[SERVER]",
    "Log out from a registry.\nIf no server is specified, the default is Docker Hub.",
    most=1,
)


def _tags(session: Session, options: Options) -> int:
    reference = parse(options.arguments[0])
    if not reference.is_name_only:
        raise Failure("a repository is wanted, without a tag or digest")
    with _open(reference.domain, read_remote(session.environ)) as registry:
        for tag in registry.repository(reference.path).tags():
            write(f"{tag}\n")
    return 0


TAGS = Command(_tags, "REPOSITORY", "List the tags of a repository in its registry", least=1, most=1)


def _inspect(session: Session, options: Options) -> int:
    reference = parse(options.arguments[0]).with_default_tag()
    settings = read_remote(session.environ)
    if options.on("insecure"):
        settings = settings.replace(insecure=(*settings.insecure, reference.domain))
    try:
        registry = _open(reference.domain, settings)
    except Unreachable as error:
        message = f"failed to configure transport: error pinging v2 registry: {error.message}"
        raise Failure(message) from None
    with registry:
        repository = registry.repository(reference.path)
        try:
            manifest = repository.get_manifest(reference.digest or reference.tag)
        except NotFound:
            raise Failure(f"no such manifest: {reference.familiar_text}") from None
        if options.on("verbose"):
            text = _indented(_verbose(repository, reference, manifest), "\t")
        else:
            text = _plain(manifest)
        write(f"{text}\n")
    return 0


MANIFEST_INSPECT = Command(
    _inspect,
    "MANIFEST",
    "Display an image manifest, or manifest list",
    (
        Flag("insecure", "Allow communication with an insecure registry"),
        Flag("verbose", "Output additional info including layers and platform", "v"),
    ),
    least=1,
    most=1,
)

_ENTRY = ("mediaType", "size", "digest", "urls", "annotations", "platform")
_PLATFORM = ("architecture", "os", "os.version", "os.features", "variant", "features")


def _plain(manifest: FetchedManifest) -> str:
    """Return the document as docker shows it: a manifest as it is, a list in the order of docker's fields."""
    import json

    document = _document(manifest)
    entries = _entries(document)
    if entries is None:
        return json.dumps(document, indent="\t", ensure_ascii=False)
    shown = [_ordered(item, _ENTRY) | {"platform": _platform(item.get("platform"))} for item in entries]
    return _indented({**document, "manifests": shown}, "   ")


def _verbose(repository: Repository, reference: Reference, manifest: FetchedManifest) -> object:
    entries = _entries(_document(manifest))
    name = reference.familiar_text if reference.domain != DEFAULT_DOMAIN else reference.canonical
    if entries is None:
        return _described(name, manifest, _config_platform(repository, manifest))
    return [
        _described(f"{name}@{item['digest']}", repository.get_manifest(item["digest"]), item.get("platform"))
        for item in entries
    ]


def _described(name: str, manifest: FetchedManifest, platform: object) -> dict[str, object]:
    from base64 import b64encode

    from ligan.oci.documents import OCI_INDEX, OCI_MANIFEST

    is_oci = manifest.media_type in (OCI_MANIFEST, OCI_INDEX)
    return {
        "Ref": name,
        "Descriptor": {
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": len(manifest.raw),
            "platform": _platform(platform),
        },
        "Raw": b64encode(manifest.raw).decode(),
        "OCIManifest" if is_oci else "SchemaV2Manifest": _document(manifest),
    }


def _config_platform(repository: Repository, manifest: FetchedManifest) -> object:
    """Return the image's config, which says what it runs on. Raises BadAnswer for one of another digest."""
    from ligan.oci.documents import Manifest, parse_json
    from ligan.remote.resolving import verified_config

    return parse_json(verified_config(repository, Manifest.parse(manifest.raw).config), "image JSON")


def _document(manifest: FetchedManifest) -> dict[str, Any]:
    from ligan.oci.documents import parse_json

    document = parse_json(manifest.raw, "manifest")
    if not isinstance(document, dict):
        raise Failure("invalid manifest: not an object")
    return document


def _entries(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the entries of a list, or None for the manifest of one image."""
    entries = document.get("manifests")
    if entries is None:
        return None
    from ligan.oci.documents import Descriptor

    if not isinstance(entries, list):
        raise Failure("invalid index: manifests is not a list")
    for item in entries:
        Descriptor.of(item)
    return entries


def _platform(platform: object) -> dict[str, object]:
    known = platform if isinstance(platform, dict) else {}
    return {"architecture": "", "os": ""} | _ordered(known, _PLATFORM)


def _ordered(item: dict[str, Any], keys: tuple[str, ...]) -> dict[str, object]:
    return {key: item[key] for key in keys if item.get(key)}


def _indented(value: object, indent: str) -> str:
    """Return JSON as Go's MarshalIndent writes it, HTML characters escaped."""
    import json

    text = json.dumps(value, indent=indent, ensure_ascii=False)
    for char in "&<>\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text

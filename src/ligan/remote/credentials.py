"""Names, passwords and tokens: docker's config.json, and the programs that keep them for it.

The file and the protocol of `docker-credential-*` are those of docker's
command line (cli/config, docker-credential-helpers).
"""

from __future__ import annotations

import json
import os

from ligan.errors import Invalid, Unavailable
from ligan.oci.documents import whole_characters
from ligan.oci.reference import DEFAULT_DOMAIN, LEGACY_DOMAIN
from ligan.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HUB_KEY = "https://index.docker.io/v1/"
"""Under which docker keeps what is for Docker Hub."""

_TOKEN_NAME = "<token>"  # noqa: S105 - the name by which helpers say that the secret is an identity token
_NOT_FOUND = "credentials not found in native keychain"


class Credentials(Value):
    """What proves who asks. `identity_token` stands for a password; `registry_token` is shown as it is.

    Bytes of a name or password that are no UTF-8 are lone surrogates (PEP 383), and sent as they are.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        """Without secrets: values are shown in tracebacks."""
        return f"Credentials(username={self.username!r}, ...)"


ANONYMOUS = Credentials()


class CredentialFile:
    """Docker's config.json: what it says of registries. What else it holds stays as it is."""

    def __init__(self, path: str) -> None:
        """Read the file, which need not exist. Raises Invalid for one that cannot be read."""
        self.path = path
        self._document = _read(path)

    def get(self, key: str) -> Credentials:
        """Return what is kept under a key: a canonical domain, or HUB_KEY.

        Raises Unavailable for a helper that fails, Invalid for an entry that cannot be read.
        """
        helper = self.helper(key)
        if helper:
            return _from_helper(helper, key)
        auths = self._object("auths")
        entry = auths.get(key)
        if not isinstance(entry, dict):
            hosts = (DEFAULT_DOMAIN, LEGACY_DOMAIN) if key == HUB_KEY else (key,)
            entry = next((auths[other] for other in auths if hostname(other) in hosts), None)
        return self._entry(key, entry) if isinstance(entry, dict) else ANONYMOUS

    def helper(self, key: str) -> str:
        """Return the name of the helper that keeps what is under the key, or an empty string."""
        helpers = self._object("credHelpers")
        name = helpers.get(key) or self._document.get("credsStore") or ""
        if not isinstance(name, str) or "/" in name or "\0" in name:
            raise Invalid(f"{self.path}: {name!r:.80} is no name of a credential helper")
        return name

    def store(self, key: str, credentials: Credentials) -> None:
        """Keep credentials under a key: by the helper where there is one, else in the file."""
        helper = self.helper(key)
        entry: dict[str, str] = {}
        if helper:
            secret = credentials.identity_token or credentials.password
            name = _TOKEN_NAME if credentials.identity_token else credentials.username
            request = {"ServerURL": key, "Username": name, "Secret": secret}
            _run(helper, "store", json.dumps(request).encode())
        else:
            entry["auth"] = _encoded(credentials)
            if credentials.identity_token:
                entry["identitytoken"] = credentials.identity_token
        self._document["auths"] = {**self._object("auths"), key: entry}
        self._save()

    def erase(self, key: str) -> None:
        """Forget what is under a key. Raises Unavailable where the helper cannot."""
        helper = self.helper(key)
        if helper:
            _run(helper, "erase", key.encode())
        auths = self._object("auths")
        if auths.pop(key, None) is not None:
            self._document["auths"] = auths
            self._save()

    def _object(self, name: str) -> dict[str, Any]:
        value = self._document.get(name)
        return dict(value) if isinstance(value, dict) else {}

    def _entry(self, key: str, entry: dict[str, Any]) -> Credentials:
        fields = {
            name: entry.get(name) for name in ("username", "password", "identitytoken", "registrytoken")
        }
        texts = whole_characters(
            {name: value if isinstance(value, str) else "" for name, value in fields.items()}
        )
        if isinstance(auth := entry.get("auth"), str) and auth:
            texts["username"], texts["password"] = self._decoded(key, auth)
        return Credentials(
            texts["username"], texts["password"], texts["identitytoken"], texts["registrytoken"]
        )

    def _decoded(self, key: str, auth: str) -> tuple[str, str]:
        from base64 import b64decode

        try:
            text = b64decode(auth, validate=True).decode("utf-8", "surrogateescape")
            name, colon, password = text.partition(":")
        except ValueError:
            colon = ""
        if not colon:
            raise Invalid(
                f"{self.path}: the credentials for {key} cannot be read: not base64 of NAME:PASSWORD"
            )
        return name, password.strip("\0")

    def _save(self) -> None:
        """Replace the file at once, for nobody else to read. A symbolic link stays one."""
        import tempfile

        path = os.path.realpath(self.path)
        folder = os.path.dirname(path)
        text = json.dumps(self._document, indent="\t", ensure_ascii=False)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(prefix="config.json", dir=folder)  # of mode 0600
            try:
                with open(descriptor, "wb") as file:
                    file.write(text.encode("utf-8", "surrogatepass"))
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
        except OSError as error:
            raise Unavailable(f"cannot write {self.path}: {error.strerror}") from None


def credentials_for(domain: str, path: str) -> Credentials:
    """Return what the config.json at this path, or its helper, has for a registry.

    Raises Invalid and Unavailable, as CredentialFile does.
    """
    return CredentialFile(path).get(key_of(domain))


def key_of(domain: str) -> str:
    """Return the key for a canonical domain."""
    return HUB_KEY if domain == DEFAULT_DOMAIN else domain


def hostname(address: str) -> str:
    """Return the host and port of an address that may be a URL."""
    return address.partition("://")[2].partition("/")[0] if "://" in address else address.partition("/")[0]


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read().strip() or b"{}")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Invalid(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise Invalid(f"{path} is no JSON") from None
    if not isinstance(document, dict):
        raise Invalid(f"{path} holds no JSON object")
    return document


def _encoded(credentials: Credentials) -> str:
    from base64 import b64encode

    password = "" if credentials.identity_token else credentials.password
    return b64encode(f"{credentials.username}:{password}".encode("utf-8", "surrogateescape")).decode()


def _from_helper(helper: str, key: str) -> Credentials:
    answer = _run(helper, "get", key.encode())
    if answer is None:
        return ANONYMOUS
    try:
        document = whole_characters(json.loads(answer))
        name, secret = document["Username"], document["Secret"]
    except (ValueError, RecursionError, KeyError, TypeError):
        name, secret = None, None
    if not isinstance(name, str) or not isinstance(secret, str):
        raise Unavailable(f"error getting credentials - docker-credential-{helper} gave no credentials")
    if name == _TOKEN_NAME:
        return Credentials(identity_token=secret)
    return Credentials(name, secret)


_DOING = {"get": "getting", "store": "storing", "erase": "erasing"}


def _run(helper: str, verb: str, request: bytes) -> bytes | None:
    """Return what a helper prints, or None where it has nothing under that key. Raises Unavailable."""
    import subprocess

    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run([program, verb], input=request, stdout=subprocess.PIPE, check=False)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "executable file not found in $PATH" if missing else (error.strerror or "").lower()
        raise Unavailable(
            f'error {_DOING[verb]} credentials - err: exec: "{program}": {reason}, out: ``'
        ) from None
    if done.returncode == 0:
        return done.stdout
    said = done.stdout.decode("utf-8", "replace").strip()
    if said == _NOT_FOUND and verb != "store":
        return None
    raise Unavailable(
        f"error {_DOING[verb]} credentials - err: exit status {done.returncode}, out: `{said[:400]}`"
    )

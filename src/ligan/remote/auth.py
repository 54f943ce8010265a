"""Proving to a registry who asks: basic authentication and bearer tokens.

The exchange is that of the distribution project's token specification, as
Docker's client does it: GET with a name and a password, POST (OAuth2) with an
identity token, nothing at all for the public.
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from urllib.parse import parse_qsl, urlencode, urlsplit

from ligan.errors import LiganError
from ligan.oci.documents import parse_json
from ligan.remote.faults import BadAnswer, Failing, LoginRefused, NoCredentials, RemoteError, refusal
from ligan.remote.site import Site
from ligan.remote.transport import basic, operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ligan.remote.credentials import Credentials
    from ligan.remote.transport import Answer, Transport

CLIENT_ID = "docker"
"""What Docker calls itself to token servers; some know no other."""

_MAX_ANSWER = 1 << 20
_LEAST_LIFE = 60.0
"""Seconds that a token is good for where its server does not say, or says less (token specification)."""

_LONGEST_LIFE = 1e9
"""Seconds, longer than anything runs: a server may say a number that no float holds."""

_MARGIN = 5.0
"""Seconds before its end in which a token is no longer used."""

_SHORTEST_SECRET = 3


class Authorizer:
    """The headers that prove to one site who asks. It serves any number of threads."""

    def __init__(
        self,
        transport: Transport,
        site: Site,
        credentials: Callable[[], Credentials],
        headers: Mapping[str, str],
    ) -> None:
        """`credentials` is called once, when the site asks for some; `headers` go with every request."""
        self._transport = transport
        self._headers = headers
        self._site = site
        self._look_up = credentials
        self._lock = allocate_lock()
        self._known: Credentials | None = None
        self._challenges: dict[str, dict[str, str]] = {}
        self._tokens: dict[tuple[str, ...], tuple[str, float]] = {}
        self._secrets: set[str] = set()

    def learn(self, answer: Answer) -> None:
        """Take from an answer how the site wants requests to be authorized, if it says so."""
        found = challenges(answer.headers.all("WWW-Authenticate"))
        if found:
            self._challenges = found

    def headers(self, method: str, url: str, scopes: tuple[str, ...]) -> dict[str, str]:
        """Return what goes with a request.

        Raises NoCredentials, and what the token server refuses or gets wrong.
        """
        if not self._challenges:
            return {}
        with self._lock:
            credentials = self._credentials()
            if credentials.registry_token:
                return _bearer(credentials.registry_token)
            if "bearer" in self._challenges:
                try:
                    return _bearer(self._token(credentials, scopes))
                except RemoteError as error:
                    raise error.within(operation(method, url)) from None
            if "basic" not in self._challenges:
                return {}
            if not credentials.username or not credentials.password:
                raise NoCredentials(NoCredentials.words).within(operation(method, url))
            return {"Authorization": self._basic(credentials)}

    def renew(self, answer: Answer, scopes: tuple[str, ...], proof: Mapping[str, str]) -> bool:
        """After a 401, learn anew and forget the token that was the proof, unless another thread did.

        Return whether another request can do better.
        """
        with self._lock:
            known = self._challenges
            self.learn(answer)
            token, _end = self._tokens.get(scopes, ("", 0.0))
            if proof == _bearer(token):
                del self._tokens[scopes]
            is_granted = proof.get("Authorization", "").startswith("Bearer ")
            return self._challenges != known or (is_granted and not self._credentials().registry_token)

    def forget(self, scopes: tuple[str, ...]) -> None:
        """Ask for a new token the next time."""
        with self._lock:
            self._tokens.pop(scopes, None)

    def login(self, root: str) -> str:
        """Try the credentials. Return the identity token that is to stand for them, or an empty string.

        Raises LoginRefused and Failing with Docker's words.
        """
        token, authorization = "", {}
        credentials = self._credentials()
        try:
            if "bearer" in self._challenges:
                document = self._fetch(credentials, (), offline=True)
                token = _text(document, "refresh_token")
                self._secrets.add(token)
                authorization = _bearer(self._token_in(document))
            elif "basic" in self._challenges:
                authorization = {"Authorization": self._basic(credentials)}
        except RemoteError as error:
            raise error.within(operation("GET", root)) from None
        answer = self._transport.request("GET", root, self._headers, credentials=authorization)
        answer.discard()
        if answer.status == 200:
            return token or credentials.identity_token
        from http.client import responses

        status = f"{answer.status} {responses.get(answer.status, '')}".rstrip()
        kind = LoginRefused if answer.status == 401 else Failing
        raise kind(f"login attempt to {root} failed with status: {status}", answer.status)

    def redact(self, body: bytes) -> bytes:
        """Return the bytes without the secrets that the site was shown."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                body = body.replace(secret.encode("utf-8", "surrogateescape"), b"***")
        return body

    def without_secrets(self, error: RemoteError) -> RemoteError:
        """Return the error, in whose message the site may have put what it was shown: in an address, say."""
        return error.saying(self.redact(error.message.encode("utf-8", "replace")).decode())

    def _credentials(self) -> Credentials:
        if self._known is None:
            known = self._known = self._look_up()
            self._secrets |= {known.password, known.identity_token, known.registry_token}
        return self._known

    def _basic(self, credentials: Credentials) -> str:
        header = basic(credentials.username, credentials.password)
        self._secrets.add(header.partition(" ")[2])
        return header

    def _token(self, credentials: Credentials, scopes: tuple[str, ...]) -> str:
        token, end = self._tokens.get(scopes, ("", 0.0))
        if time.monotonic() < end:
            return token
        asked = time.monotonic()
        document = self._fetch(credentials, scopes)
        life = document.get("expires_in")
        seconds = min(max(life, _LEAST_LIFE), _LONGEST_LIFE) if isinstance(life, int) else _LEAST_LIFE
        token = self._token_in(document)
        self._tokens[scopes] = (token, asked + seconds - _MARGIN)
        return token

    def _fetch(
        self, credentials: Credentials, scopes: tuple[str, ...], *, offline: bool = False
    ) -> dict[str, object]:
        """Ask the token server. Raises its refusal, or BadAnswer."""
        challenge = self._challenges["bearer"]
        realm = challenge.get("realm", "")
        if Site.of(realm).scheme == "http" and self._site.scheme == "https":
            raise BadAnswer("the registry wants credentials to be sent in the clear, by http")
        if credentials.identity_token:
            answer = self._post(realm, challenge, credentials, scopes)
        else:
            answer = self._get(realm, challenge, credentials, scopes, offline=offline)
        body = answer.read_all(_MAX_ANSWER)
        if answer.status != 200:
            raise refusal(answer.status, self.redact(body))
        try:
            document = parse_json(body, "answer")
        except LiganError as error:
            raise BadAnswer(f"unable to decode token response: {error.message}") from None
        if not isinstance(document, dict):
            raise BadAnswer("unable to decode token response: not an object")
        return document

    def _get(
        self,
        realm: str,
        challenge: dict[str, str],
        credentials: Credentials,
        scopes: tuple[str, ...],
        *,
        offline: bool,
    ) -> Answer:
        parts = urlsplit(realm)
        query = parse_qsl(parts.query, keep_blank_values=True)
        query += [("scope", scope) for scope in scopes]
        if challenge.get("service"):
            query.append(("service", challenge["service"]))
        if offline:
            query += [("offline_token", "true"), ("client_id", CLIENT_ID)]
        proof = {}
        if credentials.username and credentials.password:
            query.append(("account", credentials.username))
            proof["Authorization"] = self._basic(credentials)
        query.sort(key=lambda item: item[0])
        url = parts._replace(query=urlencode(query), fragment="").geturl()
        return self._transport.request("GET", url, self._headers, credentials=proof)

    def _post(
        self, realm: str, challenge: dict[str, str], credentials: Credentials, scopes: tuple[str, ...]
    ) -> Answer:
        form = {
            "client_id": CLIENT_ID,
            "grant_type": "refresh_token",
            "refresh_token": credentials.identity_token,
            "scope": " ".join(scopes),
            "service": challenge.get("service", ""),
        }
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        # The body is the credential: it follows no redirect.
        return self._transport.request("POST", realm, headers, urlencode(form).encode(), follow=False)

    def _token_in(self, document: Mapping[str, object]) -> str:
        token = _text(document, "token") or _text(document, "access_token")
        if not token:
            raise BadAnswer("authorization server did not include a token in the response")
        self._secrets.add(token)
        return token


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _text(document: Mapping[str, object], key: str) -> str:
    """Return a member that can stand in a header. Raises BadAnswer for one that cannot."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise BadAnswer(f"unable to decode token response: {key} is no token")
    return value


def challenges(lines: list[str]) -> dict[str, dict[str, str]]:
    """Return the challenges of WWW-Authenticate (RFC 9110): scheme -> parameters, both in lower case."""
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        parameters: dict[str, str] = {}
        for item in _items(line):
            name, equals, value = item.partition("=")
            scheme, blank, first = name.strip().rpartition(" ")
            if blank or not equals:
                parameters = found.setdefault((scheme or first).strip().lower(), {})
            if equals:
                parameters.setdefault(first.lower(), _unquoted(value.strip()))
    return found


def _items(line: str) -> list[str]:
    """Split at commas outside quotes."""
    items, item, is_quoted, is_escaped = [], "", False, False
    for char in line:
        if char == "," and not is_quoted:
            items.append(item.strip())
            item = ""
            continue
        if char == '"' and not is_escaped:
            is_quoted = not is_quoted
        is_escaped = char == "\\" and not is_escaped
        item += char
    return [*items, item.strip()] if item.strip() else items


def _unquoted(text: str) -> str:
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    plain, is_escaped = "", False
    for char in text[1:-1]:
        is_escaped = char == "\\" and not is_escaped
        if not is_escaped:
            plain += char
    return plain

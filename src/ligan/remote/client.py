"""Requests to one endpoint of a registry: authorized, and repeated where that may help."""

from __future__ import annotations

from _thread import allocate_lock  # all of threading would cost more to import than it is of use here

from ligan.errors import LiganError
from ligan.oci.documents import MAX_DOCUMENT_SIZE, parse_json
from ligan.remote.faults import PASSING, BadAnswer, RemoteError, may_pass, refusal
from ligan.remote.site import Site

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ligan.remote.auth import Authorizer
    from ligan.remote.credentials import Credentials
    from ligan.remote.endpoint import Endpoint, RemoteSettings
    from ligan.remote.faults import Refusal
    from ligan.remote.http1 import Body
    from ligan.remote.transport import Answer, Transport

_MAX_ERROR = 1 << 16
"""Bytes of an answer that says what went wrong."""


class Client:
    """One endpoint of a registry. It serves any number of threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        transport: Transport,
        settings: RemoteSettings,
        credentials: Callable[[], Credentials],
    ) -> None:
        """`credentials` is called where the endpoint asks for some."""
        self.root = f"{endpoint.base}/v2/"
        self.settings = settings
        self.is_down = False
        """Set where it could not be reached: a mirror that is not asked any more."""
        self._headers = {"User-Agent": settings.user_agent}
        self._site = Site.of(self.root)
        self._transport = transport
        self._credentials = credentials
        self._known_authorizer: Authorizer | None = None
        self._lock = allocate_lock()
        self._is_closed = False
        self._open = allocate_lock()
        """Held until the client is closed: whoever waits for it waits for that, or for its time."""
        self._open.acquire()

    def close(self) -> None:
        """End the waits of all threads between attempts."""
        if not self._is_closed:
            self._is_closed = True
            self._open.release()

    def stop(self) -> None:
        """End the waits and the requests of all threads. None can be made any more."""
        self.close()
        self._transport.stop()

    def wait(self, seconds: float) -> bool:
        """Return False at once where the client was closed, or is meanwhile."""
        if self._open.acquire(timeout=seconds):
            self._open.release()
            return False
        return True

    def ping(self) -> int:
        """Learn how the registry wants requests to be authorized; return the status.

        Raises where nothing answers.
        """
        answer = self._transport.request("GET", self.root, self._headers)
        if answer.headers.all("WWW-Authenticate"):
            self._authorizer.learn(answer)
        answer.discard()
        return answer.status

    def login(self) -> str:
        """Try the credentials. Return the identity token that is to stand for them, or an empty string."""
        if self._known_authorizer is None:
            self.ping()
        try:
            return self._authorizer.login(self.root)
        except RemoteError as error:
            raise self._authorizer.without_secrets(error) from None

    @property
    def _authorizer(self) -> Authorizer:
        """What proves who asks. Registries that want no proof never need it."""
        from ligan.remote.auth import Authorizer

        with self._lock:
            if self._known_authorizer is None:
                self._known_authorizer = Authorizer(
                    self._transport, self._site, self._credentials, self._headers
                )
            return self._known_authorizer

    def request(
        self,
        method: str,
        url: str,
        scopes: tuple[str, ...],
        headers: Mapping[str, str] | None = None,
        body: Body = None,
    ) -> Answer:
        """Return the answer, of whatever status, after as many attempts as are useful.

        Raises Unreachable, Interrupted and BadAnswer, and what token servers refuse.
        """
        waits = Waits(self)
        is_repeatable = body is None or isinstance(body, bytes)
        has_renewed = False
        sent = {**self._headers, **(headers or {})}
        while True:
            try:
                proof = self._proof(method, url, scopes)
                answer = self._transport.request(method, url, sent, body, credentials=proof)
            except RemoteError as error:
                if is_repeatable and may_pass(error) and waits.next():
                    continue
                if not is_repeatable:  # so registries end a body whose token they no longer take
                    self._authorizer.forget(scopes)
                raise self._authorizer.without_secrets(error) from None
            if answer.status == 401 and not has_renewed:
                has_renewed = again = self._authorizer.renew(answer, scopes, proof)
            else:
                wanted = answer.headers.get("Retry-After")
                again = is_repeatable and answer.status in PASSING and waits.next(wanted=wanted)
            if not again or not is_repeatable:
                return answer
            answer.discard()

    def _proof(self, method: str, url: str, scopes: tuple[str, ...]) -> dict[str, str]:
        """Return the headers that say who asks. Elsewhere, where uploads may go on, the address is proof."""
        if self._known_authorizer is None or Site.of(url) != self._site:
            return {}
        return self._authorizer.headers(method, url, scopes)

    def document(self, answer: Answer) -> object:
        """Return the JSON of an answer of status 200. Raises the refusal that it is instead, BadAnswer."""
        if answer.status != 200:
            raise self.refusal(answer)
        try:
            return parse_json(answer.read_all(MAX_DOCUMENT_SIZE), "answer")
        except RemoteError:
            raise
        except LiganError as error:
            raise BadAnswer(f"{answer.operation}: {error.message}") from None

    def refusal(self, answer: Answer) -> Refusal:
        """Return the error that the answer is, without the secrets that the registry may repeat in it."""
        return refusal(answer.status, self._authorizer.redact(_error_body(answer)))


class Waits:
    """The waits between attempts: a few, each twice as long as the last, or as long as the registry says."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._left = client.settings.attempts - 1
        self._seconds = client.settings.first_wait
        self._total = client.settings.longest_wait

    def next(self, waiting: Callable[[float], None] | None = None, wanted: str = "") -> bool:
        """Wait, and return True; or False at once where no attempt is left, or the wait would be too long."""
        seconds = self._seconds
        if wanted.isascii() and wanted.isdigit() and len(wanted) < 10:
            seconds = float(wanted)
        if not self._left or seconds > self._total:
            return False
        self._left -= 1
        self._total -= seconds
        self._seconds *= 2
        if waiting is not None:
            waiting(seconds)
        return self._client.wait(seconds)


def _error_body(answer: Answer) -> bytes:
    try:
        return answer.read_all(_MAX_ERROR)
    except RemoteError:
        return b""  # the status has to say it alone

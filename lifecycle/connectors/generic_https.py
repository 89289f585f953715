"""Any HTTPS service: one GET or HEAD, a declared status, a credential in a header, values at JSON pointers.

For services that have no connector of their own. A credential is shown to count only if the same request without it is
refused; and it is called wrong only by what the spec declares as the service's rejection, or by a 401 that says how to
log in (RFC 9110, 15.5.2). Redirects are never followed.

Sources: RFC 9110 (statuses), RFC 7235 (WWW-Authenticate), RFC 6901 (JSON pointer).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.http_login import login_headers, refused_login
from lifecycle.connectors.probing import Probe, capped
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN = "login"
Scalar = str | int | float | bool | None
Pointer = Annotated[str, Field(pattern=r"^(/([^~/]|~[01])*)*$")]
Status = Annotated[int, Field(ge=100, le=599)]
_MISSING = object()


class Rejection(KindSettings):
    """How this service refuses a credential: a status together with a value of its JSON body.

    Attributes:
        status: e.g. 403.
        at: JSON pointer into the body.
        equals: what stands there.
    """

    status: Status
    at: Pointer
    equals: Scalar


class GenericHttpsSettings(KindSettings):
    """A connector of kind `generic_https`; also the target that is verified.

    Attributes:
        url: what is asked, path and query included.
        method: GET, or HEAD where the body does not matter.
        status: any of these is success.
        header: carries the value's field as it is, e.g. `X-Api-Key`; empty = `Authorization`, as bearer or basic.
        field: which field of the value `header` carries.
        anonymous: `refused` = the login is shown by the refusal of the same request without it; `unchecked` = not.
        rejection: how the service refuses a credential, where that is not a 401 with WWW-Authenticate.
        expect: JSON pointer -> what stands there.
        ca_file: trust only this authority; empty = the system's.
    """

    url: str
    method: Literal["GET", "HEAD"] = "GET"
    status: Annotated[tuple[Status, ...], Field(min_length=1)] = (200,)
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]*$")] = ""
    field: str = "token"
    anonymous: Literal["refused", "unchecked"] = "refused"
    rejection: Rejection | None = None
    expect: Mapping[Pointer, Scalar] = {}
    ca_file: str = ""

    @model_validator(mode="after")
    def _has_a_body(self) -> Self:
        if self.method == "HEAD" and (self.expect or self.rejection):
            raise ValueError("an answer to HEAD has no body: use GET with `expect` and `rejection`")
        return self


class GenericHttpsVerifier:
    """Verifies that one address answers as declared.

    Args:
        url: what is asked.
        clock: the time.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        checked_endpoint(url, what="the address of a generic_https connector")
        self._url = url if urlsplit(url).path else f"{url}/"
        self._clock = clock

    def verify(
        self, target: GenericHttpsSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Ask with the credential, compare, then ask without it."""
        login = (LOGIN,) if value else ()
        asked = (_step(target), *login, *(_shown(at, wanted) for at, wanted in target.expect.items()))
        probe = Probe.begin(asked, clock=self._clock, deadline=deadline, via=via)
        try:
            headers = _login(target, value)
            answer = self._ask(probe, target, headers)
            if answer.status not in target.status:
                return _refusal(probe, target, answer, sent=bool(headers))
            probe.show(_step(target))
            if headers and (doubt := self._without(probe, target)) is not None:
                return doubt
            return _compared(probe, target, answer)
        except ConfigurationError as error:
            return probe.result(Reason.NOT_CONFIGURED, error.message)
        except Exception as error:
            return probe.failed_exchange(error)

    def _without(self, probe: Probe, target: GenericHttpsSettings) -> VerificationResult | None:
        """What the same request says without the credential; None when that shows that it counts."""
        if target.anonymous == "refused":
            answer = self._ask(probe, target, {})
            if answer.status in target.status:
                told = f"HTTP {answer.status} without the credential too: this address does not show that it works"
                return probe.result(Reason.NOT_CONFIGURED, told)
            if not 300 <= answer.status < 500 or answer.status == 429:
                return refused_login(probe, answer, sent=False, step="without the credential")
        probe.show(LOGIN)
        return None

    def _ask(self, probe: Probe, target: GenericHttpsSettings, headers: Mapping[str, str]) -> Answer:
        web = WebClient(proxy=probe.proxy, ca_file=target.ca_file)
        common = {"Accept": "application/json, */*;q=0.5", "User-Agent": "lifecycle"}
        return web.exchange(target.method, self._url, headers={**common, **headers}, deadline=probe.deadline)


def _login(target: GenericHttpsSettings, value: SecretValue) -> Mapping[str, str]:
    if not value:
        return {}
    if target.header:
        if target.field not in value:
            raise ConfigurationError(f"the value has no field {target.field}", remedy="correct `field:`")
        return {target.header: value[target.field].get_secret_value()}
    headers = login_headers(value)
    if not headers:
        raise ConfigurationError(
            "the value has neither token nor username and password", remedy="name `header:` and `field:`"
        )
    return headers


def _refusal(probe: Probe, target: GenericHttpsSettings, answer: Answer, *, sent: bool) -> VerificationResult:
    told = f"{_step(target)}: HTTP {answer.status}"
    if 300 <= answer.status < 400:
        return probe.result(Reason.AMBIGUOUS, f"{told}, a redirect; none is followed")
    rejected = target.rejection
    if sent and rejected is not None and answer.status == rejected.status and answer.status != 429:
        if _same(value_at(answer.document(), rejected.at), rejected.equals):
            wait = retry_after(answer.headers)
            return probe.result(capped(Reason.WRONG_VALUE, answer.status), f"{told}, as declared", retry_after=wait)
    if answer.status < 300:
        return probe.result(Reason.NOT_CONFIGURED, f"{told} is not a declared status")
    return refused_login(probe, answer, sent=sent, step=_step(target))


def _compared(probe: Probe, target: GenericHttpsSettings, answer: Answer) -> VerificationResult:
    if not target.expect:
        return probe.works()
    document = answer.document()
    if not isinstance(document, dict | list):
        return probe.result(Reason.AMBIGUOUS, f"HTTP {answer.status}, the body is not JSON")
    found = {at: value_at(document, at) for at in target.expect}
    probe.show(*(_shown(at, wanted) for at, wanted in target.expect.items() if _same(found[at], wanted)))
    wrong = [at for at, wanted in target.expect.items() if not _same(found[at], wanted)]
    if not wrong:
        return probe.works()
    told = "is absent" if found[wrong[0]] is _MISSING else "is another value"  # never told: it may repeat a secret
    return probe.result(Reason.NOT_CONFIGURED, f"{wrong[0]} {told}")


def value_at(document: Any, pointer: str) -> Any:
    """What a JSON pointer leads to (RFC 6901); an object that equals nothing when it leads nowhere."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and name.isascii() and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        else:
            return _MISSING
    return document


def _same(found: Any, wanted: Scalar) -> bool:
    """Equal as JSON is: 1 and 1.0 are, 1 and true are not."""
    return isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)


def _step(target: GenericHttpsSettings) -> str:
    return f"{target.method} {urlsplit(target.url).path or '/'}"


def _shown(at: str, wanted: Scalar) -> str:
    return f"{at} is {'null' if wanted is None else wanted}"


_: type[ConnectorVerifier] = GenericHttpsVerifier

KIND = Kind(
    name="generic_https",
    family=Family.CONNECTOR,
    settings=GenericHttpsSettings,
    summary="Any HTTPS address: a declared status and content, with the credential and not without it.",
)

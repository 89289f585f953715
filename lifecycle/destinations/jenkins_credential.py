"""A credential of Jenkins: its secret replaced in place, with the same id, scope and class, so that every job finds it.

1. `config.xml` is read: secrets in it are hidden (`<secret-redacted/>`). The declared elements get the new value; if
   another hidden one remained, it would be overwritten with nothing, so that is refused.
2. The description gets our fingerprint at its end, in the same POST as the secret: what is read back later tells which
   value came with it. A crumb is sent where Jenkins issues one, within its session.
3. `look`: the credential is there and ends with our fingerprint. Builds that are running keep the old value.
4. `take_away`: the secret is overwritten with a word that opens nothing; jobs that bind the id fail in their own words.

Source: Jenkins Credentials plugin, "REST API"; Plain Credentials plugin; Jenkins core, CrumbIssuer.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote
from xml.etree import ElementTree

from pydantic import Field

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient
from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    LifecycleError,
    NotFoundError,
    RemoteServiceError,
)
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.secret import Fingerprint, OperationId, SecretText, SecretValue, secret_value

_REDACTED = "secret-redacted"
_WITHDRAWN = "withdrawn"
_MARK = re.compile(r"\s*\[lifecycle ([^\]\s]+)\]\s*$")
_HIDDEN = frozenset({"id", "scope", "description"})


class JenkinsCredentialSettings(KindSettings):
    """`deliver_to: [{jenkins_credential: {…}}]`.

    Attributes:
        url: base URL of the controller.
        id: of the credential, which exists already.
        login: path in the secret store of the credential with the fields `username` and `api_token`.
        fields: XML element -> field of the value; `{secret: …}` for secret text, `{username: …, password: …}`.
        folder: full name of the folder whose store it is in; empty = the system store.
        domain: of the store; `_` = the global one.
        ca_file: trust only this authority; empty = the system's.
    """

    url: str = Field(min_length=1)
    id: str = Field(min_length=1)
    login: str = Field(min_length=1)
    fields: Annotated[Mapping[str, str], Field(min_length=1)]
    folder: str = ""
    domain: str = "_"
    ca_file: str = ""

    def path(self) -> str:
        """Where the controller has it."""
        jobs = "".join(f"/job/{quote(part, safe='')}" for part in self.folder.split("/") if part)
        store = "folder" if self.folder else "system"
        domain, name = quote(self.domain, safe=""), quote(self.id, safe="")
        return f"{jobs}/credentials/store/{store}/domain/{domain}/credential/{name}/config.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class JenkinsLogin:
    """Reads the two halves of the login, anew for each request."""

    username: Callable[[], SecretText]
    api_token: Callable[[], SecretText]


class JenkinsCredential:
    """One credential.

    Args:
        url: base URL of the controller.
        path: see `JenkinsCredentialSettings.path`.
        name: its id.
        fields: XML element -> field of the value.
        login: of a user who may update it.
        web: sends requests.
    """

    def __init__(
        self, url: str, path: str, name: str, fields: Mapping[str, str], *, login: JenkinsLogin, web: WebClient
    ) -> None:
        self._url = checked_endpoint(url, what="the address of Jenkins")
        self._path = path
        self._name = name
        self._fields = fields
        self._login = login
        self._web = web

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"Jenkins credential {self._name}"

    def put(self, parcel: Parcel) -> Placed:
        """Replace the secret."""
        self._write(parcel.value, parcel.fingerprint)
        return Placed()

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """Whether the secret that lies there came with this fingerprint."""
        del marks
        try:
            found = _MARK.search(self._read().findtext("description") or "")
        except NotFoundError:
            return Sight(seen=Seen.CHANGED)
        return Sight(seen=Seen.HELD if found and found[1] == fingerprint else Seen.CHANGED)

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Overwrite the secret; a credential that is gone has none."""
        del consumer, operation, fence
        try:
            self._write(secret_value(dict.fromkeys(self._fields.values(), _WITHDRAWN)), None)
        except NotFoundError:
            return

    def _write(self, value: SecretValue, fingerprint: Fingerprint | None) -> None:
        missing = sorted(set(self._fields.values()) - value.keys())
        if missing:
            raise ConfigurationError(
                f"{self.place} needs {', '.join(missing)}, which the value does not have",
                remedy=f"correct `fields`; the value has: {', '.join(sorted(value))}",
            )
        document = self._read()
        for name, field in self._fields.items():
            element = document.find(name)
            if element is None or name in _HIDDEN:
                raise ConfigurationError(
                    f"{self.place} ({document.tag.rpartition('.')[2]}) has no secret element {name}",
                    remedy="correct `fields`: the elements stand in its config.xml",
                )
            element[:] = []
            element.text = value[field].get_secret_value()
        left = sorted(item.tag for item in document if item.find(f".//{_REDACTED}") is not None)
        if left:
            raise ConfigurationError(
                f"{self.place} holds {', '.join(left)} besides, which would be lost", remedy="name it in `fields` too"
            )
        _mark(document, fingerprint)
        content = b"<?xml version='1.0' encoding='UTF-8'?>\n" + ElementTree.tostring(document, encoding="utf-8")
        what = f"writing {self.place}"
        headers = {"Content-Type": "application/xml; charset=utf-8", **self._crumb()}
        answer = self._send("POST", self._path, what, headers, content)
        if answer.status != 200:
            raise _refusal(answer, what, writes=True)

    def _read(self) -> ElementTree.Element:
        what = f"reading {self.place}"
        answer = self._send("GET", self._path, what, {})
        if answer.status != 200:
            raise _refusal(answer, what, writes=False)
        # Jenkins writes XML 1.1, which expat does not read; its credentials use nothing of it.
        body = re.sub(rb"^\s*<\?xml[^>]*\?>", b"", answer.body)
        try:
            if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
                raise ElementTree.ParseError
            return ElementTree.fromstring(body)  # noqa: S314 - without declarations expat expands and fetches nothing
        except ElementTree.ParseError:
            raise RemoteServiceError(
                f"{what}: the answer is no credential", remedy="check the address of Jenkins in the spec"
            ) from None

    def _crumb(self) -> dict[str, str]:
        """The crumb and the session that it is bound to; nothing where Jenkins issues none."""
        what = f"asking Jenkins for a crumb for {self.place}"
        answer = self._send("GET", "/crumbIssuer/api/json", what, {})
        if answer.status == 404:
            return {}
        field, crumb = answer.text_field("crumbRequestField"), answer.text_field("crumb")
        if answer.status != 200 or not re.fullmatch(r"[A-Za-z-]{1,60}", field):
            raise _refusal(answer, what, writes=False)
        session = answer.headers.get("set-cookie", "").partition(";")[0]
        return {field: crumb, **({"Cookie": session} if session else {})}

    def _send(self, method: str, path: str, what: str, headers: Mapping[str, str], content: bytes = b"") -> Answer:
        login = self._login
        pair = f"{login.username().get_secret_value()}:{login.api_token().get_secret_value()}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return self._web.call(
            method,
            self._url + path,
            what=what,
            headers={"Authorization": authorization, **headers},
            content=content or None,
        )


def _mark(document: ElementTree.Element, fingerprint: Fingerprint | None) -> None:
    """Replace our mark at the end of the description; what a person wrote stays."""
    description = document.find("description")
    if description is None:
        description = ElementTree.SubElement(document, "description")
    written = _MARK.sub("", description.text or "")
    description.text = f"{written} [lifecycle {fingerprint}]".strip() if fingerprint else written


def _refusal(answer: Answer, what: str, *, writes: bool) -> LifecycleError:
    """Translate an error answer; its page is left out."""
    told = f"{what}: Jenkins answered {answer.status}"
    if answer.status == 401:
        return AuthenticationError(told, remedy="check user and API token with which we log in")
    if answer.status == 403:
        return AuthenticationError(
            told, remedy="give that user Credentials/Update; look whether a proxy drops the crumb"
        )
    if answer.status == 404:
        return NotFoundError(told, remedy="create it first, with any secret; check folder, domain and id")
    if answer.status < 500:
        return RemoteServiceError(told, remedy="look at the log of the controller; redirects are not followed")
    if writes:
        return AmbiguousEffectError(told, remedy="run again: the effect is looked up before anything is repeated")
    return RemoteServiceError(told, remedy="run again", retryable=True)


_: type[CopyTarget] = JenkinsCredential

KIND = Kind(
    name="jenkins_credential",
    family=Family.DESTINATION,
    settings=JenkinsCredentialSettings,
    summary="A credential of Jenkins: its secret replaced in place, with the same id and scope.",
)

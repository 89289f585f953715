"""Secrets of GitHub Actions: of a repository, of one of its environments, or of an organisation.

1. The public key is read and each field is sealed to it (libsodium sealed box): only GitHub opens it.
2. One PUT per secret. Who may use an organisation's secret stays as it was; a new one is for private repositories.
3. `look`: GitHub shows a secret's name and when it was last written, never the value: the copy counts while nobody else
   has written it since. Jobs that are running keep the old value until they end: let `grace.minimum` be longer.
4. `take_away`: the secrets are deleted.

Source: GitHub REST API, "Actions secrets"; libsodium, "Sealed boxes".
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from lifecycle.clients.rest import RestClient, Service
from lifecycle.clients.web import WebClient
from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import ConfigurationError, NotFoundError, RemoteServiceError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.secret import Fingerprint, OperationId, SecretText

GITHUB = Service(
    name="GitHub",
    request_id="x-github-request-id",
    code=("code",),  # it has none: what it says is text
    login="check the token with which we log in",
    rights="give the token write access to secrets, and to the environment; look whether it is throttled",
)
_PAGE = 100
_SecretName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
_Part = r"[A-Za-z0-9_.-]+"


class GitHubActionsSecretSettings(KindSettings):
    """`deliver_to: [{github_actions_secret: {…}}]`.

    Attributes:
        secrets: name of a secret -> field of the value.
        login: path in the secret store of the credential with a field `token`.
        repository: `owner/name`.
        environment: of that repository; empty = the repository itself.
        organization: instead of a repository.
        url: of the REST API; GitHub Enterprise Server: https://HOST/api/v3.
        ca_file: trust only this authority; empty = the system's.
    """

    secrets: Annotated[Mapping[_SecretName, str], Field(min_length=1)]
    login: str = Field(min_length=1)
    repository: Annotated[str, Field(pattern=rf"^({_Part}/{_Part})?$")] = ""
    environment: str = ""
    organization: Annotated[str, Field(pattern=rf"^({_Part})?$")] = ""
    url: str = "https://api.github.com"
    ca_file: str = ""

    @model_validator(mode="after")
    def _one_owner(self) -> Self:
        if bool(self.repository) == bool(self.organization):
            raise ValueError("must name whose secrets they are: write `repository` or `organization`")
        if any(name.upper().startswith("GITHUB_") for name in self.secrets):
            raise ValueError("names a secret that begins with GITHUB_, which GitHub refuses: rename it")
        if self.environment and not self.repository:
            raise ValueError("names an environment without its repository: write `repository`")
        return self

    def path(self) -> str:
        """Where the API has these secrets."""
        if self.organization:
            return f"/orgs/{self.organization}/actions/secrets"
        if self.environment:
            return f"/repos/{self.repository}/environments/{quote(self.environment, safe='')}/secrets"
        return f"/repos/{self.repository}/actions/secrets"


def github_client(url: str, token: Callable[[], SecretText], *, ca_file: str = "") -> RestClient:
    """GitHub's REST API as whoever holds the token."""
    return RestClient(
        url,
        GITHUB,
        lambda: SecretText(f"Bearer {token().get_secret_value()}"),
        web=WebClient(ca_file=ca_file),
    )


class GitHubActionsSecret:
    """The secrets that hold one value.

    Args:
        client: see `github_client`.
        path: of the secrets, see `GitHubActionsSecretSettings.path`.
        secrets: name -> field of the value.
        organization: whether they are an organisation's.
    """

    def __init__(
        self, client: RestClient, path: str, secrets: Mapping[str, str], *, organization: bool = False
    ) -> None:
        self._client = client
        self._path = path
        self._secrets = dict(sorted(secrets.items()))
        self._organization = organization

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"GitHub Actions secret {', '.join(self._secrets)} ({self._path.removesuffix('/secrets')})"

    def put(self, parcel: Parcel) -> Placed:
        """Seal and write each field."""
        missing = sorted(set(self._secrets.values()) - parcel.value.keys())
        if missing:
            raise ConfigurationError(
                f"{self.place} needs {', '.join(missing)}, which the value does not have",
                remedy=f"correct `secrets`; the value has: {', '.join(sorted(parcel.value))}",
            )
        key = self._client.read(f"{self._path}/public-key", what=f"reading the public key of {self.place}")
        for name, field in self._secrets.items():
            sealed = _sealed(parcel.value[field], str(key.get("key", "")), self.place)
            body = {"encrypted_value": sealed, "key_id": str(key.get("key_id", "")), **self._audience(name)}
            self._client.write("PUT", f"{self._path}/{name}", body, what=f"writing {name} of {self.place}")
        return Placed(marks=self._written())

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """Whether nobody has written them since."""
        del fingerprint
        try:
            return Sight(seen=Seen.HELD if self._written() == marks else Seen.CHANGED)
        except NotFoundError:
            return Sight(seen=Seen.CHANGED)

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Delete them."""
        del consumer, operation, fence
        for name in self._secrets:
            try:
                self._client.write("DELETE", f"{self._path}/{name}", what=f"deleting {name} of {self.place}")
            except NotFoundError:
                continue

    def _written(self) -> dict[str, str]:
        return {name: str(self._read(name).get("updated_at", "")) for name in self._secrets}

    def _read(self, name: str) -> Mapping[str, Any]:
        return self._client.read(f"{self._path}/{name}", what=f"reading {name} of {self.place}")

    def _audience(self, name: str) -> dict[str, Any]:
        """Who may use an organisation's secret; a PUT has to say it again."""
        if not self._organization:
            return {}
        try:
            visibility = str(self._read(name).get("visibility", "private"))
        except NotFoundError:
            return {"visibility": "private"}
        if visibility != "selected":
            return {"visibility": visibility}
        return {"visibility": visibility, "selected_repository_ids": self._selected(name)}

    def _selected(self, name: str) -> list[int]:
        found: list[int] = []
        page = 1
        while True:
            path = f"{self._path}/{name}/repositories?per_page={_PAGE}&page={page}"
            answer = self._client.read(path, what=f"reading who may use {name} of {self.place}")
            here = [int(item["id"]) for item in answer.get("repositories", ())]
            found += here
            if len(found) >= int(answer.get("total_count", 0)):
                return found
            if not here:
                raise RemoteServiceError(
                    f"GitHub lists fewer repositories that may use {name} than it counts", remedy="run again"
                )
            page += 1


def _sealed(text: SecretText, key: str, place: str) -> str:
    try:
        from nacl.public import PublicKey, SealedBox
    except ImportError:
        raise ConfigurationError(
            f"{place} needs PyNaCl, which is not installed", remedy="pip install 'lifecycle[github]'"
        ) from None
    try:
        box = SealedBox(PublicKey(base64.b64decode(key, validate=True)))
    except Exception:
        raise RemoteServiceError(
            f"the public key of {place} is none", remedy="check the address of GitHub in the spec"
        ) from None
    return base64.b64encode(box.encrypt(text.get_secret_value().encode())).decode()


_: type[CopyTarget] = GitHubActionsSecret

KIND = Kind(
    name="github_actions_secret",
    family=Family.DESTINATION,
    settings=GitHubActionsSecretSettings,
    summary="Secrets of GitHub Actions, sealed to GitHub's key: of a repository, environment or organisation.",
)

"""The client secret of an OAuth provider in DataRobot, replaced in place, so that users keep their authorisations.

1. The provider is read: its `clientId` must be the one that the value belongs to, for a PATCH cannot change it.
2. `PATCH /externalOAuth/providers/{id}/` with the secret alone. Only the user who added the provider may do that.
3. `look`: DataRobot never shows the secret, but when the provider was last changed: the copy counts while nobody else
   has changed it since.
4. `take_away`: the secret is overwritten with a word that opens nothing; deleting the provider would end every
   authorisation that was given through it.

Source: DataRobot REST API v2, `externalOAuth/providers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import ConfigurationError, NotFoundError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.secret import Fingerprint, OperationId

_WITHDRAWN = "withdrawn"


class DataRobotOAuthProviderSettings(KindSettings):
    """`deliver_to: [{datarobot_oauth_provider: {…}}]`.

    Attributes:
        id: of the provider, which our user has added.
        datarobot: name of the installation in the spec.
        field: of the value, which holds the client secret.
        client_id_field: of the value, which must be the provider's client id; empty = it is not compared.
    """

    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,64}$")]
    datarobot: str = "default"
    field: str = "client_secret"
    client_id_field: str = "client_id"


class DataRobotOAuthProvider:
    """One provider.

    Args:
        client: of the user who added it.
        provider: its id.
        field: of the value, with the client secret.
        client_id_field: of the value, compared with the provider's; empty = not compared.
    """

    def __init__(self, client: DataRobotClient, provider: str, *, field: str, client_id_field: str = "") -> None:
        self._client = client
        self._provider = provider
        self._field = field
        self._client_id_field = client_id_field

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"DataRobot OAuth provider {self._provider}"

    def put(self, parcel: Parcel) -> Placed:
        """Replace the secret."""
        wanted = {self._field, self._client_id_field} - {""}
        missing = sorted(wanted - parcel.value.keys())
        if missing:
            raise ConfigurationError(
                f"{self.place} needs {', '.join(missing)}, which the value does not have",
                remedy=f"correct `field` and `client_id_field`; the value has: {', '.join(sorted(parcel.value))}",
            )
        theirs = str(self._read().get("clientId", ""))
        if self._client_id_field and parcel.value[self._client_id_field].get_secret_value() != theirs:
            raise ConfigurationError(
                f"{self.place} is of client {theirs}, and the value of another one",
                remedy="name the provider of that client as `id`: a client id cannot be changed",
            )
        self._client.patch(self._path, {"clientSecret": parcel.value[self._field].get_secret_value()})
        return Placed(marks={"updated": str(self._read().get("updatedAt", ""))})

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """Whether nobody has changed the provider since."""
        del fingerprint
        try:
            updated = str(self._read().get("updatedAt", ""))
        except NotFoundError:
            return Sight(seen=Seen.CHANGED)
        return Sight(seen=Seen.HELD if updated and updated == marks.get("updated") else Seen.CHANGED)

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Overwrite the secret; a provider that is gone has none."""
        del consumer, operation, fence
        try:
            self._client.patch(self._path, {"clientSecret": _WITHDRAWN})
        except NotFoundError:
            return

    @property
    def _path(self) -> str:
        return f"/externalOAuth/providers/{self._provider}/"

    def _read(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._client.get(self._path)
        return found


_: type[CopyTarget] = DataRobotOAuthProvider

KIND = Kind(
    name="datarobot_oauth_provider",
    family=Family.DESTINATION,
    settings=DataRobotOAuthProviderSettings,
    summary="The client secret of an OAuth provider in DataRobot, replaced in place.",
    references={"datarobot": "datarobot"},
)

"""An ECS service whose tasks read the secret from AWS Secrets Manager when they start.

It is never given a value: delivering means a new deployment after the value became current, and steady state of exactly
that deployment is the acknowledgement. A service that was created with desired count 0, because there was no value yet,
is scaled to its wanted count by its first delivery.

Which deployment belongs to which fingerprint, and the highest fence seen, are kept in the secret store: tags on the
service would show as drift in every Terraform plan.

1. `deliver`: a new deployment is forced and its id kept. A crash in between forces one more, which is harmless.
2. `acknowledged`: one deployment, it is ours, running = desired, nothing pending (what the AWS waiter `services_stable`
   checks), rollout not failed. A rollout that the circuit breaker stopped is told as failing.
3. `withdraw`: desired count 0.

Source: ECS API reference: UpdateService, DescribeServices, Deployment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Protocol

from pydantic import Field

from lifecycle.clients.aws import AwsClients, aws_errors
from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import FenceError, NotFoundError, RemoteServiceError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import CredentialDestination
from lifecycle.domain.secret import Fingerprint, OperationId, SecretValue, secret_value


class EcsServiceSettings(KindSettings):
    """`deliver_to: [{ecs_service: {…}}]`, for a service that is not an agent of this spec.

    Attributes:
        cluster: name or ARN.
        service: name.
        desired_count: what a service at 0 is scaled to.
    """

    cluster: str
    service: str
    desired_count: Annotated[int, Field(ge=1)] = 1


class KeptNotes(Protocol):
    """Where it is kept which deployment belongs to which fingerprint."""

    def load(self) -> SecretValue:
        """Read. Raises NotFoundError when nothing was kept yet."""
        ...

    def save(self, value: SecretValue) -> None:
        """Replace. Raises LostRaceError when another process wrote meanwhile."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    fence: int = 0
    fingerprint: Fingerprint | None = None
    deployment: str = ""


class EcsServiceDestination:
    """One service.

    Args:
        clients: boto3 clients of an identity that may update it.
        kept: see `KeptNotes`.
        cluster: name or ARN.
        service: name.
        desired_count: what a service at 0 is scaled to.
    """

    def __init__(
        self, clients: AwsClients, kept: KeptNotes, *, cluster: str, service: str, desired_count: int = 1
    ) -> None:
        self._clients = clients
        self._kept = kept
        self._cluster = cluster
        self._service = service
        self._desired_count = desired_count

    def deliver(
        self, consumer: str, value: SecretValue, fingerprint: Fingerprint, operation: OperationId, fence: int
    ) -> None:
        """Force a new deployment, unless one for this fingerprint is under way or done."""
        del value, operation
        notes, service = self._checked(consumer, fence), self._describe()
        primary = _primary(service)
        ours = bool(notes.deployment) and primary.get("id") == notes.deployment
        if ours and notes.fingerprint == fingerprint and not _failure(primary) and service["desiredCount"] > 0:
            if fence > notes.fence:
                self._keep(replace(notes, fence=fence))
            return
        wanted = max(int(service["desiredCount"]), self._desired_count)
        updated = self._update(desiredCount=wanted, forceNewDeployment=True)
        self._keep(_Notes(fence=fence, fingerprint=fingerprint, deployment=str(_primary(updated).get("id", ""))))

    def acknowledged(self, consumer: str) -> Acknowledgement | NotKnown:
        """The fingerprint of the deployment that has come to rest."""
        del consumer
        notes, service = self._notes(), self._describe()
        primary = _primary(service)
        if notes.fingerprint is None or primary.get("id") != notes.deployment:
            return NotKnown.NOT_YET
        failure = _failure(primary)
        if failure:
            return Acknowledgement(fingerprint=notes.fingerprint, at=primary.get("updatedAt"), failing=failure)
        if not _steady(service):
            return NotKnown.NOT_YET
        return Acknowledgement(fingerprint=notes.fingerprint, at=primary.get("updatedAt"))

    def withdraw(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Scale to 0; a service that is gone holds nothing."""
        del operation
        self._checked(consumer, fence)
        self._keep(_Notes(fence=fence))
        try:
            service = self._describe()
        except NotFoundError:
            return
        if service["desiredCount"] > 0:
            self._update(desiredCount=0)

    def _checked(self, consumer: str, fence: int) -> _Notes:
        notes = self._notes()
        if fence < notes.fence:
            raise FenceError(
                f"service {self._service} of {consumer} was deployed under a newer lease ({notes.fence} > {fence})",
                remedy="nothing to do: the newer run carries on",
            )
        return notes

    def _describe(self) -> Any:
        with aws_errors(f"reading ECS service {self._service}"):
            answer = self._clients.reader("ecs").describe_services(cluster=self._cluster, services=[self._service])
        found = next((item for item in answer["services"] if item.get("status") == "ACTIVE"), None)
        if found is None:
            raise NotFoundError(
                f"there is no ECS service {self._service} in {self._cluster}",
                remedy="run `lifecycle apply`: Terraform creates it",
            )
        return found

    def _update(self, **change: Any) -> Any:
        with aws_errors(f"deploying ECS service {self._service}", writes=True):
            answer = self._clients.writer("ecs").update_service(cluster=self._cluster, service=self._service, **change)
        return answer["service"]

    def _notes(self) -> _Notes:
        try:
            plain = {name: text.get_secret_value() for name, text in self._kept.load().items()}
        except NotFoundError:
            return _Notes()
        if not plain.get("fence", "").isdigit():
            raise RemoteServiceError(
                f"what was kept about ECS service {self._service} is not ours", remedy="remove it from the store"
            )
        fingerprint = plain.get("fingerprint", "")
        return _Notes(
            fence=int(plain["fence"]),
            fingerprint=Fingerprint(fingerprint) if fingerprint else None,
            deployment=plain.get("deployment", ""),
        )

    def _keep(self, notes: _Notes) -> None:
        plain = {"fence": str(notes.fence), "fingerprint": notes.fingerprint or "", "deployment": notes.deployment}
        self._kept.save(secret_value(plain))


def _primary(service: Any) -> dict[str, Any]:
    return next((item for item in service.get("deployments", ()) if item.get("status") == "PRIMARY"), {})


def _steady(service: Any) -> bool:
    alone = len(service.get("deployments", ())) == 1
    running = service["desiredCount"] > 0 and service["runningCount"] == service["desiredCount"]
    return bool(alone and running and service["pendingCount"] == 0)


def _failure(deployment: dict[str, Any]) -> str:
    if deployment.get("rolloutState") != "FAILED":
        return ""
    return str(deployment.get("rolloutStateReason") or "the deployment failed")


_: type[CredentialDestination] = EcsServiceDestination

KIND = Kind(
    name="ecs_service",
    family=Family.DESTINATION,
    settings=EcsServiceSettings,
    summary="An ECS service that reads the secret at task start: a new deployment delivers, its steady state confirms.",
)

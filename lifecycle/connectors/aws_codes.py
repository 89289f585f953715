"""AWS's error codes as reasons.

Sources: S3 error responses; AWS common errors; IAM "Troubleshoot access denied error messages"; Secrets Manager and STS
API references; botocore `retries/standard.py` (throttling, also with 400).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lifecycle.clients.aws import THROTTLED, AwsClients, AwsConnection, error_code, error_status, request_id
from lifecycle.connectors.probing import Probe, capped, reason_of_status
from lifecycle.domain.verification import Reason, VerificationResult

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

CODES = {
    "InvalidAccessKeyId": Reason.WRONG_VALUE,  # deleted, inactive, of another partition, or too young
    "SignatureDoesNotMatch": Reason.WRONG_VALUE,
    "InvalidSignatureException": Reason.WRONG_VALUE,
    "InvalidClientTokenId": Reason.WRONG_VALUE,
    "UnrecognizedClientException": Reason.WRONG_VALUE,
    "AuthFailure": Reason.WRONG_VALUE,
    "InvalidToken": Reason.WRONG_VALUE,
    "InvalidIdentityToken": Reason.WRONG_VALUE,
    "IDPRejectedClaim": Reason.WRONG_VALUE,
    "ExpiredToken": Reason.EXPIRED,
    "ExpiredTokenException": Reason.EXPIRED,
    "RequestTimeTooSkewed": Reason.CLOCK_SKEW,
    "RequestExpired": Reason.CLOCK_SKEW,
    "IncompleteSignature": Reason.NOT_CONFIGURED,
    "IncompleteSignatureException": Reason.NOT_CONFIGURED,
    "MissingAuthenticationToken": Reason.NOT_CONFIGURED,
    "MissingAuthenticationTokenException": Reason.NOT_CONFIGURED,
    "OptInRequired": Reason.NOT_CONFIGURED,
    "NotSignedUp": Reason.NOT_CONFIGURED,
    "NoSuchBucket": Reason.NOT_CONFIGURED,
    "NoSuchKey": Reason.NOT_CONFIGURED,
    "ResourceNotFoundException": Reason.NOT_CONFIGURED,
    "AllAccessDisabled": Reason.LOCKED,
    "DecryptionFailure": Reason.NO_PERMISSION,
    "KMS.AccessDeniedException": Reason.NO_PERMISSION,
    "KMS.DisabledException": Reason.NO_PERMISSION,
    "KMS.InvalidStateException": Reason.NO_PERMISSION,
    "KMSAccessDeniedException": Reason.NO_PERMISSION,
    "KMSDisabledException": Reason.NO_PERMISSION,
    "KMSInvalidStateException": Reason.NO_PERMISSION,
    "AuthorizationHeaderMalformed": Reason.WRONG_REGION,
    "PermanentRedirect": Reason.WRONG_REGION,
    "IllegalLocationConstraintException": Reason.WRONG_REGION,
}
_DENIALS = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError"})
_JSON_DENIAL = "AccessDeniedException"  # of services that know their own rights alone; S3's AccessDenied hides causes
_SECOND_LOOK = {
    "InvalidClientTokenId": Reason.WRONG_REGION,
    "UnrecognizedClientException": Reason.WRONG_REGION,
    "SignatureDoesNotMatch": Reason.AMBIGUOUS,
    "InvalidSignatureException": Reason.AMBIGUOUS,
}
_HOMES = {"cn-": "cn-north-1", "us-gov-": "us-gov-west-1"}
_RIGHTS = (
    "identity-based policy",
    "resource-based policy",
    "session policy",
    "permissions boundary",
    "service control policy",
    "trust policy",
    "not authorized to perform",
)


def aws_reason(error: ClientError) -> Reason:
    """Why AWS refused; the texts of denials are documented, everything else goes by its code."""
    code, status = error_code(error), error_status(error)
    if code in THROTTLED:
        return Reason.THROTTLED
    message = str(error.response.get("Error", {}).get("Message", "")).lower()
    if code in _DENIALS:
        return capped(_denial(code, message), status)
    if "signature expired" in message:
        return Reason.CLOCK_SKEW
    if "scheduled for deletion" in message:
        return Reason.NOT_CONFIGURED
    return capped(CODES.get(code, reason_of_status(status)), status)


def _denial(code: str, message: str) -> Reason:
    if "vpc endpoint policy" in message:
        return Reason.NETWORK_POLICY
    if code == _JSON_DENIAL:
        return Reason.NO_PERMISSION
    # Without a named cause it may be a policy of another account, which nobody here can read.
    return Reason.NO_PERMISSION if any(text in message for text in _RIGHTS) else Reason.AMBIGUOUS


def told(error: ClientError) -> str:
    """Code and request id, for the detail of a result."""
    return f"{error_code(error) or error_status(error)}, request {request_id(error) or 'unknown'}"


def aws_judged(probe: Probe, clients: AwsClients, error: ClientError) -> tuple[Reason, str]:
    """Why AWS refused, with the one further call that tells a wrong key from what only looks like one.

    A region that the account has not enabled knows no key, and a proxy that alters requests breaks every signature; STS
    in the home region, which needs no permission, accepts the key in both cases.
    """
    reason, code = aws_reason(error), error_code(error)
    if reason is Reason.WRONG_VALUE and code in _SECOND_LOOK and _accepted_at_home(probe, clients.connection):
        if _SECOND_LOOK[code] is Reason.WRONG_REGION:
            return Reason.WRONG_REGION, f"{told(error)}; STS accepts the key: the region is not enabled"
        return Reason.AMBIGUOUS, "STS accepts the key: something on the way alters requests"
    return reason, told(error)


def _accepted_at_home(probe: Probe, connection: AwsConnection) -> bool:
    from dataclasses import replace

    from botocore.exceptions import BotoCoreError, ClientError

    partition = next((part for part in _HOMES if connection.region.startswith(part)), "")
    home = replace(connection, region=_HOMES.get(partition, "us-east-1"))
    try:
        answer = probing_clients(home, probe).writer("sts").get_caller_identity()
    except (BotoCoreError, ClientError):
        return False
    return bool(answer.get("Arn"))


class UnexpectedAnswerError(Exception):
    """A success without what AWS always answers: something in between spoke. Never leaves a connector."""


def require(shown: bool) -> None:
    """Refuse to take an answer for a success; botocore reads any 200, an HTML page too, as an empty result."""
    if not shown:
        raise UnexpectedAnswerError


def aws_failure(probe: Probe, error: Exception) -> VerificationResult:
    """End a probe with what boto3 raised."""
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return probe.result(aws_reason(error), told(error))
    if isinstance(error, UnexpectedAnswerError):
        return probe.result(Reason.AMBIGUOUS, "200, not AWS's form")
    return probe.failed_exchange(error)


def probing_clients(connection: AwsConnection, probe: Probe, **login: Any) -> AwsClients:
    """Clients whose every attempt ends with the probe, through the probe's proxy."""
    from dataclasses import replace

    left = probe.deadline.cap(probe.deadline.seconds_left)
    return AwsClients(
        replace(
            connection,
            connect_timeout=timedelta(seconds=min(6.0, left)),
            read_timeout=timedelta(seconds=left),
            proxy=probe.proxy or connection.proxy,
            **login,
        )
    )

"""What vendors answer, and what each answer means: the labels that the connectors' tables are judged by.

One line per answer: code | status | text | reason. Sources: the vendors' documentation as named in each connector file.
"""

from dataclasses import dataclass

from lifecycle.domain.verification import Reason

LABELS = {
    "value": Reason.WRONG_VALUE,
    "expired": Reason.EXPIRED,
    "revoked": Reason.REVOKED,
    "skew": Reason.CLOCK_SKEW,
    "tenant": Reason.WRONG_TENANT,
    "locked": Reason.LOCKED,
    "rights": Reason.NO_PERMISSION,
    "network": Reason.NETWORK_POLICY,
    "proxy": Reason.PROXY_REFUSED,
    "name": Reason.NAME_NOT_RESOLVED,
    "refused": Reason.CONNECTION_REFUSED,
    "config": Reason.NOT_CONFIGURED,
    "access": Reason.CONDITIONAL_ACCESS,
    "pending": Reason.APPROVAL_PENDING,
    "throttled": Reason.THROTTLED,
    "fault": Reason.SERVICE_FAULT,
    "timeout": Reason.TIMEOUT_READ,
    "version": Reason.VERSION_NOT_SUPPORTED,
    "region": Reason.WRONG_REGION,
    "ambiguous": Reason.AMBIGUOUS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One labelled answer; `code` may be a header, a body code or a SQLSTATE, as the vendor has it."""

    code: str
    status: int
    text: str
    reason: Reason


def labelled(table: str) -> tuple[Response, ...]:
    """The lines of a table; several codes in one line share the rest."""
    rows = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    return tuple(
        Response(code="" if code == "-" else code, status=int(status), text=text, reason=LABELS[reason])
        for codes, status, text, reason in rows
        for code in codes.split()
    )


AWS = labelled("""
InvalidAccessKeyId SignatureDoesNotMatch InvalidClientTokenId | 403 | | value
UnrecognizedClientException InvalidSignatureException | 400 | The security token is invalid | value
InvalidToken InvalidIdentityToken IDPRejectedClaim AuthFailure | 400 | | value
ExpiredToken ExpiredTokenException | 400 | The security token has expired | expired
ExpiredToken | 403 | The security token has expired | expired
RequestTimeTooSkewed RequestExpired | 403 | | skew
SignatureDoesNotMatch InvalidSignatureException | 403 | Signature expired: 20261124T1200Z is now earlier | skew
IncompleteSignature MissingAuthenticationToken | 403 | | config
IncompleteSignatureException MissingAuthenticationTokenException | 400 | | config
OptInRequired NotSignedUp | 403 | | config
AllAccessDisabled | 403 | | locked
AccessDenied | 403 | not authorized because no identity-based policy allows the s3:GetObject action | rights
AccessDenied | 403 | with an explicit deny in an identity-based policy | rights
AccessDenied | 403 | with an explicit deny in a resource-based policy | rights
AccessDenied | 403 | because no session policy allows the action | rights
AccessDenied | 403 | because no permissions boundary allows the action | rights
AccessDenied | 403 | with an explicit deny in a service control policy | rights
AccessDenied | 403 | because no role trust policy allows the sts:AssumeRole action | rights
AccessDenied | 403 | because no VPC endpoint policy allows the action | network
AccessDenied | 403 | Access Denied | ambiguous
AccessDeniedException | 400 | Access to KMS is not allowed | rights
AccessDeniedException | 400 | is not authorized to perform: secretsmanager:DescribeSecret | rights
DecryptionFailure KMS.AccessDeniedException KMSAccessDeniedException KMS.DisabledException | 400 | | rights
KMS.InvalidStateException KMSDisabledException KMSInvalidStateException | 400 | | rights
ResourceNotFoundException | 400 | Secrets Manager can't find the specified secret | config
InvalidRequestException | 400 | this secret was scheduled for deletion | config
InvalidRequestException | 400 | something else | ambiguous
NoSuchBucket NoSuchKey | 404 | | config
QueueDoesNotExist AWS.SimpleQueueService.NonExistentQueue | 400 | | ambiguous
AuthorizationHeaderMalformed | 400 | the region 'eu-west-1' is wrong; expecting 'us-east-1' | region
PermanentRedirect IllegalLocationConstraintException | 301 | | region
403 400 | 403 | Forbidden | ambiguous
SlowDown | 503 | Reduce your request rate | throttled
Throttling ThrottlingException RequestLimitExceeded TooManyRequestsException | 400 | Rate exceeded | throttled
InvalidAccessKeyId | 429 | | throttled
InvalidAccessKeyId InternalError | 500 | | fault
ServiceUnavailable | 503 | | fault
""")

ENTRA = labelled("""
7000215 700027 50012 700030 50126 50056 50064 70000 | 401 | | value
7000222 50055 500133 700082 70008 700084 70043 | 401 | | expired
50173 50132 50133 | 400 | | revoked
700024 | 401 | | skew
700016 700011 90002 90019 50059 90038 50194 50034 51004 50020 16003 | 400 | | tenant
500011 50001 650052 70011 7000218 900144 700025 | 400 | | config
65001 90008 90094 90095 90099 70016 | 400 | | pending
65004 50105 90093 | 400 | | rights
7000112 70001 50057 1000031 50053 | 400 | | locked
50072 50074 50076 50078 50079 50097 50158 53000 53001 53002 53003 53011 | 400 | | access
530032 530034 530035 50131 500212 500213 | 400 | | access
500021 500022 50002 | 400 | | network
50196 50088 | 400 | | throttled
90012 80002 80014 | 400 | | timeout
50000 50033 50087 90006 90033 | 400 | | fault
999999 | 401 | | ambiguous
""")

SNOWFLAKE = labelled("""
390100 390144 394304 394306 390303 390195 | 401 | | value
390100 390303 390195 | 200 | | value
394302 394303 | 401 | | skew
394300 290403 290404 | 403 | | tenant
394400 | 401 | Programmatic access token is invalid | value
390318 394401 | 401 | access token expired | expired
390110 390111 390112 390113 390114 390115 | 401 | session | ambiguous
390101 390102 | 401 | | locked
390422 | 401 | IP 10.0.0.1 is not allowed to access Snowflake | network
390432 | 401 | Network policy is required | config
390190 | 401 | MFA authentication is required | access
390189 | 401 | | rights
003001 002003 003013 | 422 | does not exist or not authorized | rights
000606 001003 | 422 | | config
250001 250003 | 401 | | ambiguous
390100 | 429 | | throttled
390100 | 503 | | fault
- | 403 | | ambiguous
""")

_FRAME = "Signature not valid in the specified time frame: Start [{}] - Expiry [{}] - Current [{}]"
_DATES = [f"Tue, {day} Nov 2026 12:00:00 GMT" for day in (10, 17, 24)]
AZURE = labelled(f"""
AuthenticationFailed | 403 | The MAC signature found in the HTTP request is not the same | value
AuthenticationFailed | 403 | Signature did not match. String to sign used was r | value
AuthenticationFailed | 403 | {_FRAME.format(*_DATES)} | expired
AuthenticationFailed | 403 | {_FRAME.format(_DATES[1], _DATES[2], _DATES[0])} | skew
AuthenticationFailed | 403 | Signed expiry time must be after signed start time | expired
AuthenticationFailed | 403 | sv is not well formed | version
AuthenticationFailed | 403 | Access without signed resource in account level | rights
AuthenticationFailed | 403 | something else | ambiguous
InvalidAuthenticationInfo | 401 | | ambiguous
InvalidAuthenticationInfo | 400 | Authentication information is not given in the correct format | config
NoAuthenticationInformation | 401 | | config
AuthorizationFailure AuthorizationSourceIPMismatch | 403 | | network
AuthorizationPermissionMismatch AuthorizationServiceMismatch AuthorizationResourceTypeMismatch | 403 | | rights
InsufficientAccountPermissions | 403 | | rights
KeyBasedAuthenticationNotPermitted AuthorizationProtocolMismatch | 403 | | config
PublicAccessNotPermitted | 409 | | config
ContainerNotFound BlobNotFound | 404 | | config
AccountIsDisabled | 403 | | locked
ServerBusy | 503 | | throttled
AuthenticationFailed | 500 | The MAC signature found in the HTTP request is not the same | fault
- | 403 | | ambiguous
""")

OAUTH = labelled("""
invalid_client invalid_grant | 401 | | value
invalid_client | 403 | | value
unauthorized_client invalid_scope access_denied | 400 | | rights
insufficient_scope | 403 | | rights
unsupported_grant_type invalid_request invalid_target | 400 | | config
invalid_token | 401 | | value
- | 401 | | config
authorization_pending | 400 | | pending
expired_token | 400 | | expired
use_dpop_nonce invalid_dpop_proof | 400 | | ambiguous
server_error temporarily_unavailable | 400 | | fault
invalid_client | 429 | | throttled
invalid_client | 503 | | fault
invalid_client | 401 | The client secret supplied for a confidential client is invalid. | value
invalid_client | 401 | Invalid value for 'client_id' parameter. | tenant
invalid_client | 401 | The client_assertion token is expired. | skew
invalid_client | 401 | The client_assertion token was issued before the allowed time | skew
invalid_client | 401 | Client must use the private_key_jwt method | config
access_denied | 401 | Policy evaluation failed for this request | rights
invalid_grant | 400 | The user has MFA enabled | access
invalid_grant | 400 | Resource owner password credentials denied by sign on policy | access
invalid_token | 401 | The token was revoked | revoked
""")

DATAROBOT = labelled("""
- | 401 | Invalid API token | value
- | 403 | You do not have permission | rights
- | 404 | Not Found | ambiguous
- | 429 | Invalid API token | throttled
- | 500 | Invalid API token | fault
- | 504 | Invalid API token | timeout
- | 422 | Invalid field data | config
""")

GITHUB = labelled("""
- | 401 | Bad credentials | value
- | 401 | Requires authentication | config
x-ratelimit-remaining:0 | 403 | API rate limit exceeded | throttled
- | 403 | You have exceeded a secondary rate limit | throttled
- | 429 | Bad credentials | throttled
x-github-sso:required | 403 | Forbidden | access
- | 403 | Resource protected by organization SAML enforcement | access
- | 403 | Resource not accessible by personal access token | rights
- | 403 | the organization has an IP allow list enabled | network
- | 400 | X-GitHub-Api-Version: unsupported API version | version
- | 503 | Bad credentials | fault
""")

JENKINS = labelled("""
x-jenkins:2.4 | 401 | Invalid password/token for user: svc | value
x-jenkins:2.4 | 403 | No valid crumb was included in the request | config
x-you-are-authenticated-as:svc | 403 | svc is missing the Overall/Read permission | rights
x-you-are-authenticated-as:anonymous | 403 | Access Denied | config
x-jenkins:2.4 | 403 | Authentication required | config
x-jenkins:2.4 | 500 | Invalid password/token for user: svc | fault
x-jenkins:2.4 | 429 | Invalid password/token for user: svc | throttled
- | 403 | Access Denied | ambiguous
""")

VAULT = labelled("""
approle | 400 | invalid role or secret ID | value
approle | 400 | invalid secret id | value
approle | 403 | permission denied | ambiguous
token | 403 | permission denied | value
token | 403 | permission denied;invalid token | value
token | 429 | request path "kv": rate limit quota exceeded | throttled
token | 500 | invalid token | fault
token | 501 | Vault is not initialized | fault
token | 503 | Vault is sealed;invalid token | fault
token | 412 | required index state not present | ambiguous
""")

PROMETHEUS = labelled("""
www-authenticate:Basic | 401 | Unauthorized | value
- | 401 | Unauthorized | ambiguous
- | 403 | Forbidden | rights
- | 404 | Not Found | config
- | 429 | too many requests | throttled
- | 503 | Service Unavailable | fault
""")

PROXIES = labelled("""
x-squid-error:ERR_CACHE_ACCESS_DENIED | 407 | | proxy
x-squid-error:ERR_ACCESS_DENIED x-squid-error:ERR_FORWARDING_DENIED | 403 | | proxy
x-squid-error:ERR_DNS_FAIL | 503 | | name
x-squid-error:ERR_CONNECT_FAIL | 503 | | refused
x-squid-error:ERR_CONNECT_FAIL | 502 | | refused
server:tinyproxy/1.11.1 | 403 | The request you made has been filtered | proxy
server:tinyproxy/1.11.1 | 403 | The administrator has not allowed: Access denied | proxy
server:envoy | 404 | | proxy
server:envoy | 403 | RBAC: access denied | proxy
server:envoy | 503 | upstream connect error or disconnect/reset before headers | refused
- | 502 | Bad Gateway | ambiguous
- | 503 | Service Unavailable | ambiguous
- | 504 | Gateway Timeout | ambiguous
- | 401 | <html>blocked</html> | proxy
- | 403 | <html>blocked</html> | proxy
- | 429 | | throttled
""")

POSTGRES = labelled("""
- | 0 | FATAL: password authentication failed for user "svc" | value
28P01 | 0 | FATAL: password authentication failed for user "svc" | value
28000 | 0 | FATAL: password authentication failed for user "svc" | value
28000 | 0 | FATAL: no pg_hba.conf entry for host "10.0.0.1", no encryption | network
- | 0 | FATAL: pg_hba.conf rejects connection for host "10.0.0.1" | network
- | 0 | FATAL: role "svc" does not exist | tenant
- | 0 | FATAL: role "svc" is not permitted to log in | locked
- | 0 | FATAL: connection requires a valid client certificate | config
28000 | 0 | FATAL: certificate authentication failed for user "svc" | value
- | 0 | authentication method requirement "none" failed: server requested SASL authentication | config
- | 0 | server did not request an SSL certificate | config
- | 0 | could not load private key file "x": key values mismatch | config
- | 0 | SSL error: sslv3 alert certificate expired | ambiguous
- | 0 | SSL error: tlsv1 alert unknown ca | ambiguous
3D000 | 0 | FATAL: database "absent" does not exist | config
42501 | 0 | FATAL: User does not have CONNECT privilege. | rights
- | 0 | FATAL: permission denied for database "x" | rights
53300 | 0 | FATAL: sorry, too many clients already | throttled
53300 | 0 | FATAL: too many connections for role "svc" | throttled
57P01 | 0 | terminating connection due to administrator command | fault
57P03 | 0 | FATAL: the database system is starting up | fault
57P02 | 0 | crash | fault
08001 08006 | 0 | | ambiguous
08P01 0A000 | 0 | | version
57014 | 0 | | timeout
- | 0 | connection to server failed: Connection refused | refused
- | 0 | could not translate host name "absent" to address | name
28P01 | 1 | | value
28000 | 1 | | network
42501 | 1 | | rights
42P01 3F000 42601 3D000 | 1 | | config
53300 | 1 | | throttled
""")

KAFKA = labelled("""
58 | 0 | Broker: SASL Authentication failed | value
-169 | 0 | SASL authentication error: Authentication failed: Invalid username or password | value
-169 | 0 | SASL authentication error: Authentication failed during authentication due to invalid credentials | value
-169 | 0 | SASL authentication error: The request was rejected by firewall checks. | network
-169 | 0 | SASL authentication error: The Service Bus connection string is not of the expected format. | config
-169 | 0 | SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism | version
-169 | 0 | SASL PLAIN mechanism handshake failed: Broker: Request not valid in current SASL state | config
-169 | 0 | SASL authentication error: Authentication failed: request timed out | ambiguous
-169 | 0 | SASL authentication error: an internal server error | ambiguous
-169 | 0 | SASL authentication error: something new | ambiguous
33 35 | 0 | | version
34 54 | 0 | | config
29 30 31 53 65 | 0 | | rights
3 | 0 | Broker: Unknown topic or partition | config
89 | 0 | | throttled
7 -185 | 0 | | timeout
8 14 15 | 0 | | fault
-193 | 0 | Local: Host resolution failure | name
-195 -187 -181 | 0 | Disconnected while requesting ApiVersion | ambiguous
""")

DATABRICKS = labelled("""
403 | 403 | Invalid access token. | value
403 | 403 | Source IP address: 10.0.0.1 is blocked by Databricks IP ACL for workspace: 1 | network
PERMISSION_DENIED | 403 | IP is blocked by Databricks IP ACL | network
PERMISSION_DENIED INSUFFICIENT_PERMISSIONS | 403 | You do not have permission | rights
401 | 401 | Credential was not sent or was of an unsupported type for this API. | config
RESOURCE_DOES_NOT_EXIST NOT_FOUND TABLE_OR_VIEW_NOT_FOUND | 404 | | config
INVALID_PARAMETER_VALUE | 400 | Endpoint does not exist | config
REQUEST_LIMIT_EXCEEDED RESOURCE_EXHAUSTED | 429 | | throttled
403 | 429 | Invalid access token. | throttled
TEMPORARILY_UNAVAILABLE INTERNAL_ERROR | 400 | | fault
BAD_REQUEST | 400 | no worker environment | fault
403 | 500 | Invalid access token. | fault
SOMETHING_NEW | 403 | | ambiguous
- | 403 | | ambiguous
- | 401 | | ambiguous
""")

PREDICTION_SERVER = labelled("""
- | 401 | The datarobot-key header is missing | value
- | 401 | Invalid API token | ambiguous
- | 401 | Invalid Authorization header. No credentials provided. | config
- | 403 | You do not have permission | rights
- | 404 | Not Found | ambiguous
- | 422 | 'wd': wd is not allowed key | config
- | 429 | Invalid API token | throttled
- | 500 | The datarobot-key header is missing | fault
- | 504 | no | timeout
- | 401 | | ambiguous
""")

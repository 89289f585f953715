"""GitHub: whose token it is, which scopes it has, when it ends, and that it sees the repository.

Sources: GitHub REST API, "Authenticating", "Troubleshooting the REST API", "Rate limits"; cli/cli issue 12150 (IP allow
list).
"""

from __future__ import annotations

from datetime import timedelta

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN = "GET /user"
_API_VERSION = "2022-11-28"
# Status (0 = any) and a part of the message, in lower case; GitHub has no codes in its errors.
_TEXTS = (
    (401, "bad credentials", Reason.WRONG_VALUE),
    (401, "requires authentication", Reason.NOT_CONFIGURED),
    (0, "rate limit", Reason.THROTTLED),
    (403, "saml enforcement", Reason.CONDITIONAL_ACCESS),
    (403, "ip allow list", Reason.NETWORK_POLICY),
    (403, "resource not accessible by", Reason.NO_PERMISSION),
    (400, "api version", Reason.VERSION_NOT_SUPPORTED),
)


class GitHubSettings(KindSettings):
    """A connector of kind `github`; also the target that is verified.

    Attributes:
        url: of the REST API; GitHub Enterprise Server: https://HOST/api/v3.
        repository: `owner/name` that the token must see; empty = none.
        scopes: what a classic token must have; fine-grained tokens show none.
        ca_file: trust only this authority; empty = the system's.
    """

    url: str = "https://api.github.com"
    repository: str = ""
    scopes: tuple[str, ...] = ()
    ca_file: str = ""


class GitHubVerifier:
    """Verifies tokens.

    Args:
        url: of the REST API.
        clock: the time.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        self._url = checked_endpoint(url, what="the address of GitHub")
        self._clock = clock

    def verify(
        self, target: GitHubSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Read the user, then the repository."""
        scopes = (f"scope {scope}" for scope in target.scopes)
        repository = (f"sees {target.repository}",) if target.repository else ()
        probe = Probe.begin((LOGIN, *scopes, *repository), clock=self._clock, deadline=deadline, via=via)
        if "token" not in value:
            return probe.result(Reason.NOT_CONFIGURED, "the value has no field token")
        try:
            user = self._get(probe, target, value, "/user")
            if user.status != 200 or not user.text_field("login"):
                return _refusal(probe, user)
            probe.show(LOGIN)
            granted = {scope.strip() for scope in user.headers.get("x-oauth-scopes", "").split(",")}
            probe.show(*(f"scope {scope}" for scope in target.scopes if scope in granted))
            if not granted.issuperset(target.scopes):
                return probe.result(Reason.NO_PERMISSION, "scopes are missing")
            refused = self._look(probe, target, value)
            return refused or probe.result(Reason.WORKS, _ends(user))
        except Exception as error:
            return probe.failed_exchange(error)

    def _look(self, probe: Probe, target: GitHubSettings, value: SecretValue) -> VerificationResult | None:
        if not target.repository:
            return None
        found = self._get(probe, target, value, f"/repos/{target.repository}")
        if found.status == 404:
            # GitHub hides what a token may not see; that the token lives was shown just now.
            return probe.result(Reason.NO_PERMISSION, "404: hidden from this token, or absent")
        if found.status != 200 or not found.text_field("full_name"):
            return _refusal(probe, found)
        probe.show(f"sees {target.repository}")
        return None

    def _get(self, probe: Probe, target: GitHubSettings, value: SecretValue, path: str) -> Answer:
        headers = {
            "Authorization": f"Bearer {value['token'].get_secret_value()}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": _API_VERSION,
            "User-Agent": "lifecycle",
        }
        web = WebClient(proxy=probe.proxy, ca_file=target.ca_file)
        return web.exchange("GET", f"{self._url}{path}", headers=headers, deadline=probe.deadline)


def _ends(answer: Answer) -> str:
    date = answer.headers.get("github-authentication-token-expiration", "")
    return f"the token ends {date}" if date else ""


def _refusal(probe: Probe, answer: Answer) -> VerificationResult:
    told = f"HTTP {answer.status}, request {answer.headers.get('x-github-request-id', 'unknown')}"
    message = answer.text_field("message").lower()
    if not message:
        return probe.result(capped(Reason.AMBIGUOUS, answer.status), f"{told}, not GitHub's form")
    return probe.result(capped(_reason(answer, message), answer.status), told, retry_after=retry_after(answer.headers))


def _reason(answer: Answer, message: str) -> Reason:
    if answer.status in (403, 429) and answer.headers.get("x-ratelimit-remaining") == "0":
        return Reason.THROTTLED
    if answer.status == 403 and answer.headers.get("x-github-sso", "").startswith("required"):
        return Reason.CONDITIONAL_ACCESS
    for status, text, reason in _TEXTS:
        if status in (0, answer.status) and text in message:
            return reason
    return Reason.NO_PERMISSION if answer.status == 403 else reason_of_status(answer.status)


_: type[ConnectorVerifier] = GitHubVerifier

KIND = Kind(
    name="github",
    family=Family.CONNECTOR,
    settings=GitHubSettings,
    summary="A GitHub token: whose, scopes, expiry, and a repository that it sees.",
)

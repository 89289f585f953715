"""Microsoft Entra's error codes as reasons.

Sources: Entra reference-error-codes; azure-identity; MSAL.NET issue 4951 (assertions and clocks). Microsoft changes
numbers and texts: an unknown number is ambiguous, never invalid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from lifecycle.clients.web import retry_after
from lifecycle.connectors.probing import capped
from lifecycle.domain.verification import Reason

_NUMBER = re.compile(r"AADSTS(\d{5,7})")
_BY_REASON = {
    Reason.WRONG_VALUE: "7000215 700027 50012 700030 50126 50056 50064 70000",
    Reason.EXPIRED: "7000222 50055 500133 700082 70008 700084 70043",
    Reason.REVOKED: "50173 50132 50133",
    Reason.CLOCK_SKEW: "700024",
    Reason.WRONG_TENANT: "700016 700011 90002 90019 50059 90038 50194 50034 51004 50020 16003",
    Reason.NOT_CONFIGURED: "500011 50001 650052 70011 7000218 900144 700025",
    Reason.APPROVAL_PENDING: "65001 90008 90094 90095 90099 70016",
    Reason.NO_PERMISSION: "65004 50105 90093",
    Reason.LOCKED: "7000112 70001 50057 1000031 50053",
    Reason.CONDITIONAL_ACCESS: (
        "50072 50074 50076 50078 50079 50097 50158 53000 53001 53002 53003 53011 530032 530034 530035 50131 500212 "
        "500213"
    ),
    Reason.NETWORK_POLICY: "500021 500022 50002",
    Reason.THROTTLED: "50196 50088",
    Reason.TIMEOUT_READ: "90012 80002 80014",
    Reason.SERVICE_FAULT: "50000 50033 50087 90006 90033",
}
CODES = {number: reason for reason, numbers in _BY_REASON.items() for number in numbers.split()}


def entra_reason(text: str) -> Reason:
    """Why Entra refused: the last number of the text is the cause. What has no number is not Entra's: no verdict."""
    numbers = _NUMBER.findall(text)
    return CODES.get(numbers[-1], Reason.AMBIGUOUS) if numbers else Reason.AMBIGUOUS


def entra_told(text: str) -> str:
    """The numbers of a text, for the detail of a result; never the text."""
    numbers = _NUMBER.findall(text)
    return f"AADSTS{numbers[-1]}" if numbers else "refused without an AADSTS code"


@dataclass(slots=True)
class LastAnswer:
    """What the token endpoint answered last; azure-identity's errors carry neither status nor headers.

    Attributes:
        status: of HTTP; 0 = no answer came.
        headers: of the answer.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def hear(self, response: Any) -> None:
        """To be given to azure-identity as `raw_response_hook`."""
        self.status, self.headers = response.http_response.status_code, response.http_response.headers

    def refusal(self, text: str) -> tuple[Reason, str, timedelta | None]:
        """Why there is no token, what may be told of it, and how long to wait.

        Args:
            text: of azure-identity's error.
        """
        reason, told = capped(entra_reason(text), self.status), entra_told(text)
        if self.status == 429 or self.status >= 500:
            told = f"HTTP {self.status}, {told}"
        return reason, told, retry_after(self.headers)

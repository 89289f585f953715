"""Who approved which effect."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Approval(BaseModel):
    """One approval of one effect digest, as it stands in the receipt.

    Attributes:
        approver: the identity (principal of the signing key, or the local user in the sandbox).
        effect_digest: what was approved: the normalised changes, not the plan bytes.
        at: aware UTC time.
        expires: after this the approval does not count.
        method: how it was proved, e.g. `ssh-signature`, `terminal`.
        signature: armoured SSH signature over review.json; empty when the method has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    approver: str
    effect_digest: str
    at: datetime
    expires: datetime
    method: str
    signature: str = ""

"""Snowflake's codes as reasons.

Sources: Snowflake documentation (SYSTEM$GET_LOGIN_FAILURE_DETAILS), its Python connector and JDBC tests. An unknown
code is ambiguous, never invalid.
"""

from __future__ import annotations

from lifecycle.domain.verification import Reason

BAD_JWT = "390144"
CODES = {
    "390100": Reason.WRONG_VALUE,
    BAD_JWT: Reason.WRONG_VALUE,
    "394304": Reason.WRONG_VALUE,
    "394306": Reason.WRONG_VALUE,
    "394302": Reason.CLOCK_SKEW,
    "394303": Reason.CLOCK_SKEW,
    "394300": Reason.WRONG_TENANT,
    "390303": Reason.WRONG_VALUE,
    "390195": Reason.WRONG_VALUE,
    "390318": Reason.EXPIRED,
    "394400": Reason.WRONG_VALUE,  # programmatic access token: unknown or revoked
    "394401": Reason.EXPIRED,
    "390101": Reason.LOCKED,
    "390102": Reason.LOCKED,
    "390189": Reason.NO_PERMISSION,
    "390422": Reason.NETWORK_POLICY,
    "390432": Reason.NOT_CONFIGURED,
    "290403": Reason.WRONG_TENANT,
    "290404": Reason.WRONG_TENANT,
    "003001": Reason.NO_PERMISSION,
    "002003": Reason.NO_PERMISSION,
    "003013": Reason.NO_PERMISSION,
    "000606": Reason.NOT_CONFIGURED,  # no active warehouse selected
    "001003": Reason.NOT_CONFIGURED,  # SQL compilation error
}

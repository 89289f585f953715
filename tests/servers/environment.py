"""The environment of the servers under test: the one reader of ours, the maker of theirs.

A server gets a short list of variables, never ours as a whole: a proxy, a CA bundle or a token that a
developer has set must not decide whether a test passes.
"""

import os
from pathlib import Path

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")

AWS_TEST_KEY_ID = "testing"
AWS_TEST_SECRET = "testing"  # The values that moto's documentation uses; no secret.
AWS_TEST_REGION = "us-east-1"


def cache_home() -> Path:
    """The user's cache directory (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def minimal_environment(home: Path, **extra: str) -> dict[str, str]:
    """Make the environment of a child process.

    Args:
        home: Its HOME: a folder of the test, since several clients read tokens from there.
        extra: Further variables.

    Returns:
        Those variables, and of ours only what a program needs to run at all.
    """
    inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**inherited, "HOME": str(home), **extra}


def aws_environment(
    endpoint: str, *, access_key_id: str = AWS_TEST_KEY_ID, secret_access_key: str = AWS_TEST_SECRET
) -> dict[str, str]:
    """Make the variables that point AWS SDKs, CLIs and Terraform at a local endpoint.

    Args:
        endpoint: The server's base URL.
        access_key_id: Half of the key to use.
        secret_access_key: The other half.

    Returns:
        AWS_* variables; the instance metadata service is off, as no test runs on EC2.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret_access_key,
        "AWS_DEFAULT_REGION": AWS_TEST_REGION,
        "AWS_REGION": AWS_TEST_REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }

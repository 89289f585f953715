"""Moved into the package: see `lifecycle.testing`."""

from lifecycle.testing.issuer_contract import *  # noqa: F403 - the same names under the old path

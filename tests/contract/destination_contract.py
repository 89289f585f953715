"""Moved into the package: see `lifecycle.testing`."""

from lifecycle.testing.destination_contract import *  # noqa: F403 - the same names under the old path

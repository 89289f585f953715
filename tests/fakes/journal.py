"""Moved into the package: see `lifecycle.testing`."""

from lifecycle.testing.simulated_journal import *  # noqa: F403 - the same names under the old path

"""Moved into the package: see `lifecycle.testing`."""

from lifecycle.testing.driven import *  # noqa: F403 - the same names under the old path

"""Strict simulators of everything a rotation touches; they pass the contract suites of the real adapters."""

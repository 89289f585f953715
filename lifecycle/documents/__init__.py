"""Spec documents: YAML events to domain models, keeping file, line and column."""

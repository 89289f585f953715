"""Measured goals: each a ratio of two things measured together, one line per goal."""

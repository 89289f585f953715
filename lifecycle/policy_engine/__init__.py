"""Judges specs and plans by typed rules and a strict catalogue; fails closed."""

"""Nouns of the product: pure models, rules and contracts. No I/O, no SDK, no clock, no environment."""

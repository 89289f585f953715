"""Who makes, lists and revokes a credential: one product per file."""

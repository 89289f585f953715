"""What a user can ask for: one verb per file, sequence only. They know ports, never products."""

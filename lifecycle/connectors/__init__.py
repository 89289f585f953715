"""What proves that a credential works: one product per file, its table of vendor codes beside it."""

"""Where values are kept: one product per file."""

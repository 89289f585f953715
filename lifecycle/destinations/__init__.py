"""Who must receive a new value: one product per file."""

"""One suite per port, run for every implementation and every fake."""

"""What adapters share and what belongs to no product."""

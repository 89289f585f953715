"""One thin client per outside system that several adapter families share."""

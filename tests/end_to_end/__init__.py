"""`lifecycle` as a user runs it: a process of its own in a checkout of its own, judged by what the outside says."""

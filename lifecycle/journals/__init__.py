"""Where rotations keep their progress: one product per file, each a journal and a lease book at once."""

"""The proof of rotation: every state x every cut, interleavings of two processes, mutants, real kills."""

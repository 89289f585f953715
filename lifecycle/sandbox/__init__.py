"""The local servers that the default environment starts: AWS emulator, doubles, Vault."""

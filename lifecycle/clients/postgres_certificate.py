"""A client certificate for libpq, which takes one from files only.

The files lie in memory and have no name: nothing of the key reaches a disk, and they are gone with the login.

Source: libpq, sslcert and sslkey (a key must be a regular file that only its owner may read); memfd_create(2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretText


@contextmanager
def certificate_options(certificate: SecretText, private_key: SecretText) -> Iterator[Mapping[str, str]]:
    """What libpq is told, for as long as it may read.

    Args:
        certificate: with its chain, PEM; empty = none is shown.
        private_key: PEM.

    Raises:
        ConfigurationError: the system has no such files.
    """
    if not certificate:
        yield {"sslcert": "", "sslcertmode": "disable"}
        return
    if not hasattr(os, "memfd_create"):
        raise ConfigurationError(
            "a PostgreSQL client certificate needs files in memory, which this system lacks",
            remedy="run lifecycle on Linux",
        )
    files: list[int] = []
    try:
        for name in ("certificate", "key"):
            files.append(os.memfd_create(name, os.MFD_CLOEXEC))
            os.fchmod(files[-1], 0o600)
        _write(files[0], certificate.get_secret_value().encode())
        _write(files[1], private_key.get_secret_value().encode())
        paths = [f"/proc/{os.getpid()}/fd/{file}" for file in files]
        yield {"sslcert": paths[0], "sslkey": paths[1], "sslcertmode": "require"}
    finally:
        for file in files:
            os.close(file)


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]

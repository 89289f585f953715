"""Certificates of the test servers: one authority per server, which a client must be told to trust."""

from dataclasses import dataclass
from pathlib import Path

import trustme

LOCAL_NAMES = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """Files of a TLS server.

    Attributes:
        ca_file: The certificate of its authority, for clients.
        certificate_file: Its certificate chain.
        key_file: Its private key, mode 0600.
    """

    ca_file: Path
    certificate_file: Path
    key_file: Path


def write_server_certificate(folder: Path, *names: str) -> ServerCertificate:
    """Make an authority and a certificate for a server on this machine.

    Args:
        folder: Where the three files are put.
        names: Further host names beside 127.0.0.1 and localhost.

    Returns:
        The files.
    """
    files = ServerCertificate(
        ca_file=folder / "ca.pem", certificate_file=folder / "server.crt", key_file=folder / "server.key"
    )
    authority = trustme.CA()
    certificate = authority.issue_cert(*LOCAL_NAMES, *names)
    authority.cert_pem.write_to_path(str(files.ca_file))
    chain = b"".join(part.bytes() for part in certificate.cert_chain_pems)
    files.certificate_file.write_bytes(chain)
    files.key_file.touch(mode=0o600)
    files.key_file.write_bytes(certificate.private_key_pem.bytes())
    return files

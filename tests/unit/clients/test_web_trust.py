"""Authorities are read once, and again when they were replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from lifecycle.clients.web import _trust


def _authority(path: Path) -> bytes:
    pem = trustme.CA().cert_pem.bytes()
    path.write_bytes(pem)
    return pem


def test_an_authority_is_read_once(tmp_path: Path) -> None:
    _authority(tmp_path / "ca.pem")
    assert _trust(str(tmp_path / "ca.pem"), environment=True) is _trust(str(tmp_path / "ca.pem"), environment=False)
    assert _trust("", environment=True) is _trust("", environment=True)


def test_a_replaced_authority_is_trusted_and_the_old_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    _authority(path)
    old = _trust(str(path), environment=True).get_ca_certs(binary_form=True)
    _authority(tmp_path / "new.pem")
    (tmp_path / "new.pem").replace(path)
    new = _trust(str(path), environment=True).get_ca_certs(binary_form=True)
    assert len(old) == len(new) == 1
    assert old != new


def test_the_environment_names_other_authorities_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    before = _trust("", environment=True)
    _authority(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert len(_trust("", environment=True).get_ca_certs()) == 1
    assert len(_trust("", environment=False).get_ca_certs()) > 1
    monkeypatch.delenv("SSL_CERT_FILE")
    assert _trust("", environment=True) is before


def test_a_missing_authority_is_an_error_of_the_exchange(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        _trust(str(tmp_path / "absent.pem"), environment=True)

import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import secret_value
from lifecycle.issuers.stored_id import stored_id


def test_id_beside_a_value_is_read() -> None:
    assert stored_id(secret_value({"key_id": "k1"}), "key_id", of="x") == "k1"


def test_value_that_a_person_stored_without_its_id_is_told_so_without_it() -> None:
    with pytest.raises(ConfigurationError, match="no key_id") as caught:
        stored_id(secret_value({"client_secret": "s3cr3t-value"}), "key_id", of="the client secret")
    assert "`key_id`" in caught.value.remedy
    assert "s3cr3t-value" not in f"{caught.value} {caught.value.remedy}"

import base64
import json
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from lifecycle.domain.credential import Minted, ProviderCredential
from lifecycle.domain.errors import ConfigurationError, LifecycleError, LostRaceError, RemoteServiceError
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.error_sanitiser import sanitised
from lifecycle.foundation.known_secrets import KnownSecrets

CANARY = 'cana/ry+"väl\nue'


class Adapter:
    """An adapter that tells in its error what it was given."""

    name = "adapter"

    def fail(self, secret: SecretText, make: Callable[[str], Exception]) -> None:
        raise make(secret.get_secret_value()) from ValueError(secret.get_secret_value())

    def mint(self) -> Minted:
        credential = ProviderCredential(id="k1")  # type: ignore[arg-type]  # NewType over str
        return Minted(credential=credential, value={"token": SecretText(CANARY)})


def _caught(make: Callable[[str], Exception]) -> LifecycleError:
    with pytest.raises(LifecycleError) as caught:
        sanitised(Adapter(), what="issuer x", known=KnownSecrets()).fail(SecretText(CANARY), make)
    text = "".join(traceback.format_exception(caught.value)) + caught.value.remedy
    assert CANARY not in text
    assert repr(CANARY)[1:-1] not in text
    return caught.value


def test_foreign_error_keeps_only_its_class() -> None:
    error = _caught(KeyError)
    assert isinstance(error, RemoteServiceError)
    assert error.message == "issuer x: fail failed with an unexpected KeyError"


def test_our_error_keeps_class_and_fields_and_loses_the_value() -> None:
    error = _caught(lambda value: LostRaceError(f"saw {value}", remedy=f"drop {value}", retryable=True))
    assert isinstance(error, LostRaceError)
    assert error.retryable
    assert error.message == "saw **********"


def test_missing_package_is_named() -> None:
    error = _caught(lambda value: ModuleNotFoundError(value, name="hvac"))
    assert isinstance(error, ConfigurationError)
    assert "hvac" in error.message


def test_results_are_registered_and_passed_on() -> None:
    known = KnownSecrets()
    wrapped = sanitised(Adapter(), what="issuer x", known=known)
    assert wrapped.mint().value["token"].get_secret_value() == CANARY
    assert wrapped.name == "adapter"
    assert CANARY not in known.scrub(f"a {CANARY} b")


@pytest.mark.parametrize(
    "spell",
    [
        str,
        lambda text: quote(text, safe=""),
        json.dumps,
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        repr,
    ],
)
def test_scrub_finds_every_spelling(spell: Callable[[Any], str]) -> None:
    known = KnownSecrets()
    known.register(SecretText(CANARY))
    assert "**********" in known.scrub(f"before {spell(CANARY)} after")
    assert spell(CANARY) not in known.scrub(f"before {spell(CANARY)} after")


def test_short_texts_are_left_alone() -> None:
    known = KnownSecrets()
    known.register(SecretText("on"))
    assert known.scrub("online") == "online"

"""One credential whose adapters cannot be built is refused with its reason; the others of the command go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.rotation import Rotation
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.bootstrap.unbuildable import UnbuildableIssuer
from lifecycle.bootstrap.verification import Verification
from lifecycle.domain.errors import ConfigurationError, ExitCode
from lifecycle.domain.rotation import State
from lifecycle.domain.secret import secret_value
from lifecycle.foundation.known_secrets import KnownSecrets
from lifecycle.journals.sqlite import SqliteJournal
from lifecycle.operations.plan_rotations import plan_rotations
from lifecycle.operations.rotate_credential import rotate
from lifecycle.operations.rotation_context import Standing
from lifecycle.operations.rotation_status import rotation_status
from lifecycle.settings import Settings

_BAD_OWNER = {"file": {"path": "/run/agent.json", "owner": "nobody-of-that-name-here"}}
_KEY = {"kind": "datarobot_api_key", "reason": "risk analysis RA-1"}
_SPEC: dict[str, Any] = {
    "version": 1,
    "environment": "prod",
    "owner": "ml-platform",
    "aws": {"account_id": "123456789012", "region": "eu-west-1"},
    "datarobot": {"default": {"endpoint": "https://app.eu.datarobot.com/api/v2"}},
    "backend": {"s3": {"bucket": "acme-state", "key": "prod.tfstate", "region": "eu-west-1", "use_lockfile": True}},
    "secret_stores": {"default": {"aws_secrets_manager": {"prefix": "acme"}}},
    "journal": {"dynamodb": {"table": "lifecycle-journal"}},
    "credentials": {
        "bad": {**_KEY, "principal": "bad@acme.example", "deliver_to": [_BAD_OWNER]},
        "good": {**_KEY, "principal": "good@acme.example", "deliver_to": [{"file": {"path": "/run/good.json"}}]},
    },
}


@pytest.fixture
def rotation(tmp_path: Path) -> Rotation:
    folder = tmp_path / "environments" / "prod"
    folder.mkdir(parents=True)
    (folder / "environment.yaml").write_text(json.dumps(_SPEC))
    paths = Paths(root=tmp_path, env="prod", state_home=tmp_path / "state")
    around = Surroundings(settings=Settings(root=tmp_path), paths=paths, step=lambda _n, _t: None, note=lambda _t: None)
    stores = Stores(around)
    stores.__dict__["fingerprinter"] = lambda value: f"{len(value)}"  # no network: nothing is named here
    made = Rotation(around, stores, Verification(around, stores), KnownSecrets(), lambda _c, _s, _t: None)
    made.__dict__["journal"] = SqliteJournal(tmp_path / "journal.sqlite3", clock=utc_now)
    return made


def test_status_tells_of_all_and_a_run_refuses_the_one(rotation: Rotation) -> None:
    bad, good = rotation.contexts()
    assert [item.state for item in rotation_status((bad, good)).credentials] == [State.IDLE, State.IDLE]
    refused = rotate(bad, force=True)
    assert (refused.standing, refused.exit_code()) == (Standing.REFUSED, ExitCode.CONFIGURATION)
    assert "nobody-of-that-name-here" in refused.text and refused.remedy
    assert isinstance(bad.unapproved, ConfigurationError)
    assert good.unapproved is None or "nobody-of-that-name" not in good.unapproved.message
    assert bad.issuer.traits == good.issuer.traits
    plan = plan_rotations((bad, good), force=True)
    told = {item.credential: [error.message for error in item.refused] for item in plan.rotations}
    assert told.keys() == {"bad", "good"} and any("nobody-of-that-name-here" in text for text in told["bad"])


def test_its_stand_in_makes_lists_and_deletes_nothing() -> None:
    error = ConfigurationError("no login", remedy="put one there")
    issuer = UnbuildableIssuer(error, None)
    value = secret_value({"a": "b"})
    for call in (
        lambda: issuer.list("p"),
        lambda: issuer.identify(value),
        lambda: issuer.set_enabled("p", "i", False),  # type: ignore[arg-type]  # any id
        lambda: issuer.revoke("p", "i"),  # type: ignore[arg-type]  # any id
        lambda: issuer.last_used("p", "i"),  # type: ignore[arg-type]  # any id
        lambda: issuer.mint("p", "m", None),
        lambda: issuer.read_back("p"),
    ):
        with pytest.raises(ConfigurationError, match="no login"):
            call()

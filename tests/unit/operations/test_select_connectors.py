from datetime import timedelta

import pytest

from lifecycle.domain.errors import ConfigurationError, Place
from lifecycle.domain.spec import Allowlist, Chosen, Connector, Credential, Spec
from lifecycle.operations.select_connectors import Selection, select_connectors

PLACE = Place(file="connectors.yaml", line=3, column=1)


def _connector(name: str, kind: str, credential: str | None = None) -> Connector:
    return Connector(name=name, place=PLACE, owner="team", kind=kind, settings=None, credential=credential)


def _allowlist(name: str, proxy: str | None) -> Allowlist:
    return Allowlist(name=name, place=PLACE, owner="team", targets=("squid",), proxy=proxy)


SPEC = Spec(
    version=1,
    environment="prod",
    backend=Chosen(kind="local", settings=None, place=PLACE),
    credentials={
        "key": Credential(name="key", place=PLACE, owner="team", kind="aws_iam_access_key", settings=None, reason="r")
    },
    connectors={
        item.name: item
        for item in (
            _connector("files", "s3", "key"),
            _connector("who", "aws_identity", "key"),
            _connector("kv", "vault"),
        )
    },
    allowlists={
        item.name: item for item in (_allowlist("egress", "http://proxy.example:3128"), _allowlist("groups", None))
    },
)


def _names(**chosen: object) -> list[str]:
    return [item.name for item in select_connectors(SPEC, Selection(**chosen))]  # type: ignore[arg-type]  # test data


def test_without_a_selection_every_connector_is_meant() -> None:
    assert _names() == ["files", "kv", "who"]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"names": ("who", "kv")}, ["kv", "who"]),
        ({"kinds": ("s3", "vault")}, ["files", "kv"]),
        ({"credential": "key"}, ["files", "who"]),
        ({"credential": "key", "kinds": ("s3",)}, ["files"]),
        ({"pending": True, "names": ("kv", "files")}, ["files"]),
    ],
)
def test_all_parts_of_a_selection_hold_together(chosen: dict[str, object], expected: list[str]) -> None:
    assert _names(**chosen) == expected


def test_position_and_deadline_replace_those_of_the_spec() -> None:
    chosen = select_connectors(SPEC, Selection(through="egress", deadline=timedelta(seconds=3)))
    assert {(item.through, item.deadline) for item in chosen} == {("egress", timedelta(seconds=3))}
    assert {item.through for item in select_connectors(SPEC, Selection(through="direct"))} == {"direct"}


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"names": ("file",)}, "no connector file"),
        ({"kinds": ("s4",)}, "no connector of kind s4"),
        ({"credential": "kee"}, "no credential kee"),
        ({"through": "egres"}, "no allowlist egres"),
        ({"through": "groups"}, "names no proxy"),
        ({"pending": True}, "not of which credential"),
        ({"deadline": timedelta()}, "leaves no time"),
        ({"concurrency": 0}, "0 at once"),
        ({"concurrency": 201}, "201 at once"),
    ],
)
def test_what_means_nothing_is_told_with_a_remedy(chosen: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        _names(**chosen)
    assert caught.value.remedy

"""A whole spec: inheritance, overrides, variables, defaults, kinds; where each value comes from; its digest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from lifecycle.documents.builder import load_spec
from lifecycle.documents.digest import spec_digest
from lifecycle.documents.show import show
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import Manage
from tests.unit.documents.conftest import SMALLEST, Load
from tests.unit.documents.toy_kinds import REGISTRY, FargateSettings, NamedSettings, NoSettings
from tests.unit.documents.whole_spec import BASE, MAIN, MORE

Write = Callable[[dict[str, str]], Path]
WHOLE = {"_base/base.yaml": BASE, "prod/main.yaml": MAIN, "prod/more.yaml": MORE}


def test_variables_defaults_and_overrides_are_resolved(load: Load) -> None:
    spec = load()
    assert spec.aws is not None
    assert spec.aws.region == "eu-west-1"
    assert spec.aws.subnets == ("subnet-9",), "lists replace"
    assert spec.approvals.required == 2, "a whole scalar keeps the type of its variable"
    assert spec.approvals.group == "platform-leads", "mappings merge"
    assert spec.allowlists["shared-egress"].targets == ("squid", "aws_security_group")
    assert spec.allowlists["shared-egress"].entries[0].host == "acme.eu-west-1.example.com"
    assert spec.allowlists["shared-egress"].entries[0].expires == date(2027, 3, 1)
    assert spec.credentials["snowflake-ingest"].rotation_period == timedelta(days=30)
    assert spec.credentials["snowflake-ingest"].settings.account == "acme"


def test_the_owner_is_inherited_by_entries_that_name_none(load: Load) -> None:
    accounts = load().service_accounts
    assert {name: account.owner for name, account in accounts.items()} == {
        "scoring-pipeline": "ml-platform",
        "legacy-ingest": "data-team",
    }
    assert accounts["legacy-ingest"].manage is Manage.ROTATE


def test_choices_carry_validated_settings_and_their_place(load: Load) -> None:
    spec = load()
    runtime = spec.agents["eu-1"].runtime
    assert runtime.kind == "ecs_fargate"
    assert runtime.settings == FargateSettings(cluster="mlops", cpu=512, timeout="1h30m")
    assert str(runtime.place) == "environments/prod/more.yaml:4:15"
    assert spec.credentials["snowflake-ingest"].deliver_to[0].settings == NamedSettings(name="snowflake-ingest")
    assert load(main="").backend.settings == NoSettings()


def test_a_key_of_an_entry_replaces_that_of_the_defaults(load: Load) -> None:
    spec = load({**WHOLE, "prod/more.yaml": MORE.replace("reason: RA-17", "reason: RA-17\n    rotation_period: 1w")})
    assert spec.credentials["snowflake-ingest"].rotation_period == timedelta(weeks=1)


def test_an_override_of_null_removes_what_is_inherited(load: Load) -> None:
    assert load({**WHOLE, "prod/main.yaml": MAIN.replace("{subnets: [subnet-9]}", "{subnets: null}")}).aws.subnets == ()  # type: ignore[union-attr] # it has one


def test_a_section_may_be_an_alias_or_come_from_an_override_whole(load: Load) -> None:
    spec = load(main="datarobot: {default: {endpoint: sandbox://datarobot}}\nservice_accounts: {}\nagents: {}\n")
    assert spec.agents == {}
    shared = "vars: {x: {type: list, value: [&one {robot: {platform: aws}}]}}\nservice_accounts: *one\n"
    account = load(main=shared).service_accounts["robot"]
    assert str(account.place) == "environments/prod/main.yaml:6:38"
    replaced = load(
        {
            "_base/base.yaml": "version: 1\nowner: me\nservice_accounts:\n",
            "prod/main.yaml": SMALLEST.replace("owner: me\n", "extends: ../_base\n")
            + "override: {service_accounts: {robot: {platform: aws}}}\n",
        }
    )
    assert str(replaced.service_accounts["robot"].place) == "environments/prod/main.yaml:6:31"


def test_variables_of_aws_policies_are_left_alone(load: Load) -> None:
    spec = load(
        main="service_accounts:\n  robot:\n    platform: aws\n"
        "    permissions: [{actions: [s3:GetObject], resources: ['arn:aws:s3:::b/${aws:username}/*']}]\n"
    )
    assert spec.service_accounts["robot"].permissions[0].resources == ("arn:aws:s3:::b/${aws:username}/*",)


def test_a_variable_of_type_list_can_stand_anywhere_and_keeps_its_places(load: Load) -> None:
    spec = load(
        main="vars: {subnets: {type: list, value: [subnet-1, subnet-2]}}\n"
        "aws: {account_id: '123456789012', region: eu, subnets: '${var.subnets}', vpc: vpc-1}\n"
    )
    assert spec.aws is not None
    assert spec.aws.subnets == ("subnet-1", "subnet-2")
    assert str(spec.place_of("aws.subnets.1")) == "environments/prod/main.yaml:6:48"
    assert str(spec.place_of("aws.vpc")) == "environments/prod/main.yaml:7:74"


def test_sandbox_addresses_pass_through(load: Load) -> None:
    spec = load(main="datarobot: {default: {endpoint: sandbox://datarobot}}\n")
    assert spec.datarobot["default"].endpoint == "sandbox://datarobot"


@pytest.mark.parametrize(
    ("key_path", "place"),
    [
        ("aws.region", "_base/base.yaml:6:35"),
        ("aws.subnets.0", "prod/main.yaml:5:19"),
        ("approvals.required", "_base/base.yaml:7:13"),
        ("allowlists.shared-egress", "_base/base.yaml:12:3"),
        ("allowlists.shared-egress.targets.1", "prod/main.yaml:7:49"),
        ("service_accounts.scoring-pipeline.owner", "_base/base.yaml:2:1"),
        ("agents.eu-1.runtime.ecs_fargate.cpu", "prod/more.yaml:4:45"),
        ("credentials.snowflake-ingest.rotation_period", "_base/base.yaml:10:26"),
        ("credentials.snowflake-ingest.grace.minimum", "prod/more.yaml:17:3"),
    ],
)
def test_every_value_knows_where_it_was_written(load: Load, key_path: str, place: str) -> None:
    assert str(load().place_of(key_path)) == f"environments/{place}"


def test_entries_stand_where_their_names_stand(load: Load) -> None:
    spec = load()
    assert {spec.place_of(f"{section}.{entry.name}") == entry.place for section, entry in spec.entries()} == {True}


def test_show_gives_every_value_with_its_origin(load: Load) -> None:
    lines = [value.line(origins=True) for value in show(load())]
    assert "aws.subnets.0: subnet-9  # environments/prod/main.yaml:5:19" in lines
    assert "credentials.agent-key.grace.ceiling: 7d  # environments/prod/more.yaml:14:26" in lines
    assert "credentials.agent-key.installation: default  # built-in default" in lines
    assert (
        "credentials.snowflake-ingest.deliver_to.0.datarobot_credential.name: snowflake-ingest  "
        "# environments/prod/more.yaml:21:19"
    ) in lines
    plain = [value.line(origins=False) for value in show(load(main=""))]
    assert plain[:3] == ["version: 1", "environment: prod", "owner: me"]
    assert "backend: local" in plain


def test_equal_content_has_an_equal_digest_and_any_change_another(write: Write, tmp_path: Path) -> None:
    digest = spec_digest(write(WHOLE), root=tmp_path)
    assert digest.startswith("sha256:")
    assert spec_digest(write(WHOLE), root=tmp_path) == digest
    assert spec_digest(write({"_base/base.yaml": BASE + "# more\n"}), root=tmp_path) != digest
    assert spec_digest(write({"_base/base.yaml": BASE}), root=tmp_path) == digest
    assert spec_digest(write({"prod/empty.yaml": ""}), root=tmp_path) != digest


def test_a_digest_is_the_same_in_every_checkout(write: Write, tmp_path: Path) -> None:
    other = tmp_path / "other" / "environments"
    (write(WHOLE).parent).rename(tmp_path / "moved")
    other.parent.mkdir()
    (tmp_path / "moved").rename(other)
    first = spec_digest(other / "prod", root=tmp_path / "other")
    assert spec_digest(write(WHOLE), root=tmp_path) == first


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("b.yaml", b"a: \xff\n", "b.yaml:1:4: the file is not UTF-8 from this byte on"),
        ("b.yaml", "a: é\nb: ü".encode("latin-1"), "b.yaml:1:4: the file is not UTF-8"),
        ("b.yaml", "a: 1".encode("utf-16"), "b.yaml:1:1: the file is not UTF-8"),
        ("b.yaml", b"#" * (16 * 1024 * 1024 + 1), "b.yaml:1:1: the file is larger than 16 MiB"),
        ("b.yml", b"a: 1", "b.yml:1:1: a spec file ends in .yaml"),
    ],
)
def test_files_that_cannot_be_a_spec(name: str, content: bytes, expected: str, write: Write, tmp_path: Path) -> None:
    folder = write({"prod/main.yaml": SMALLEST})
    (folder / name).write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_spec(folder, REGISTRY, root=tmp_path)
    assert str(caught.value.problems[0]).startswith(f"environments/prod/{expected}")


def test_links_are_not_followed(write: Write, tmp_path: Path) -> None:
    folder = write({"prod/main.yaml": SMALLEST, "outside.yaml": "owner: x\n"})
    (folder / "link.yaml").symlink_to(tmp_path / "environments" / "outside.yaml")
    with pytest.raises(ConfigurationError) as caught:
        load_spec(folder, REGISTRY, root=tmp_path)
    assert "a spec file is a plain file, never a link" in str(caught.value.problems[0])


def test_a_byte_order_mark_is_tolerated(write: Write, tmp_path: Path) -> None:
    folder = write({"prod/main.yaml": "\ufeff" + SMALLEST})
    assert load_spec(folder, REGISTRY, root=tmp_path).owner == "me"


@pytest.mark.parametrize("missing", ["absent", "empty"])
def test_a_folder_without_a_spec_is_told(missing: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        load_spec(tmp_path / missing, REGISTRY, root=tmp_path)
    assert missing in caught.value.message
    assert caught.value.remedy

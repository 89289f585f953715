"""No change brings its own judges: pins outside the repository, successors signed by the old bundle's people."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lifecycle.bootstrap import open_house
from lifecycle.bootstrap.gate import pinned_gate
from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.policy_pin import pinned_digest
from lifecycle.bootstrap.surroundings import RunningSandbox, Surroundings, read_settings
from lifecycle.cli.app import run
from lifecycle.domain.errors import ConfigurationError, PolicyError
from lifecycle.domain.trust import refuse_together
from lifecycle.policy_engine.bundle import bundle_digest, load_bundle

REPOSITORY = Path(__file__).parents[3]
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")
OTHER = f"sha256:{'0' * 64}"


class Policies:
    """A checkout with a bundle, and people with keys."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self.bundle = self.root / "policies"
        self.keys = folder
        for name in ("environments", "policies"):
            shutil.copytree(REPOSITORY / name, self.root / name)

    def hire(self, name: str, *, group: str = "bundle-owners", options: str = "") -> Path:
        key = self.keys / name
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
        subprocess.run(argv, check=True, capture_output=True)
        if group:
            public = key.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
            with (self.bundle / "signers" / group).open("a") as file:
                file.write(f"{name}@acme.example {options} {public}\n".replace("  ", " "))
        return key

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.bundle / name).read_text()
        assert old in text
        (self.bundle / name).write_text(text.replace(old, new, 1))

    def commit(self) -> None:
        for arguments in (["add", "-A"], ["commit", "-q", "-m", "x"]):
            subprocess.run([*GIT, *arguments], cwd=self.root, check=True, capture_output=True)

    def command(self, *arguments: str) -> int:
        return run(["--root", str(self.root), "policy", "bundle", *arguments])

    def build(self, *keys: Path) -> None:
        for key in keys:
            assert self.command("build", "--key", str(key)) == 0

    def verify(self) -> int:
        return self.command("verify", "--env", "reference")


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policies:
    """A repository whose bundle is owned by eve and fay, committed; two of them sign the next one."""
    made = Policies(tmp_path)
    subprocess.run([*GIT, "init", "-q", "-b", "main", str(made.root)], check=True, capture_output=True)
    made.hire("eve")
    made.hire("fay")
    made.commit()
    monkeypatch.setenv("LIFECYCLE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LIFECYCLE_POLICY_DIGEST", bundle_digest(made.bundle))
    monkeypatch.chdir(made.root)
    return made


def change(policies: Policies) -> None:
    policies.edit("rules/spec.yaml", "parameters: {longest_days: 30}", "parameters: {longest_days: 20}")


def test_two_signers_of_the_old_bundle_hand_over_to_a_new_one(
    policies: Policies, capsys: pytest.CaptureFixture[str]
) -> None:
    change(policies)
    policies.build(policies.keys / "eve", policies.keys / "fay")
    trust = load_bundle(policies.bundle).trust
    assert (trust.version, trust.previous) == (2, os.environ["LIFECYCLE_POLICY_DIGEST"])
    capsys.readouterr()
    assert policies.verify() == 0
    told = capsys.readouterr().out
    assert f"bundle {bundle_digest(policies.bundle)} may follow {trust.previous}" in told
    assert "signed by eve@acme.example, fay@acme.example" in told


def test_one_signer_twice_is_one(policies: Policies, capsys: pytest.CaptureFixture[str]) -> None:
    change(policies)
    policies.build(policies.keys / "eve", policies.keys / "eve")
    assert policies.verify() == 5
    assert "needs 2 signatures by bundle-owners of the bundle in force, it has: eve@acme.example" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_signer_whom_the_new_bundle_adds_does_not_count(
    policies: Policies, capsys: pytest.CaptureFixture[str]
) -> None:
    mallory = policies.hire("mallory")
    policies.build(policies.keys / "eve", mallory)
    assert policies.verify() == 5
    assert "mallory" not in capsys.readouterr().err


def test_a_quorum_that_the_new_bundle_lowers_does_not_count(policies: Policies) -> None:
    policies.edit("trust.yaml", "quorum: 2", "quorum: 1")
    policies.build(policies.keys / "eve")
    assert policies.verify() == 5


@pytest.mark.parametrize("options", ['valid-before="20200101Z"', 'valid-after="20990101Z"', 'namespaces="other"'])
def test_keys_that_are_lapsed_not_yet_valid_or_for_something_else_do_not_count(
    policies: Policies, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = policies.hire("gus", options=options)
    policies.commit()
    monkeypatch.setenv("LIFECYCLE_POLICY_DIGEST", bundle_digest(policies.bundle))
    change(policies)
    policies.build(policies.keys / "eve", late)
    assert policies.verify() == 5


def test_a_revoked_key_does_not_count(policies: Policies, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(policies.keys / "fay.pub", policies.bundle / "signers" / "revoked")
    policies.commit()
    monkeypatch.setenv("LIFECYCLE_POLICY_DIGEST", bundle_digest(policies.bundle))
    change(policies)
    policies.build(policies.keys / "eve", policies.keys / "fay")
    assert policies.verify() == 5


def test_a_change_after_the_signatures_voids_them(policies: Policies, capsys: pytest.CaptureFixture[str]) -> None:
    change(policies)
    policies.build(policies.keys / "eve", policies.keys / "fay")
    policies.edit("rules/spec.yaml", "longest_days: 20", "longest_days: 3000")
    assert policies.verify() == 5
    assert "it has: nobody" in " ".join(capsys.readouterr().err.split())


def test_only_the_pinned_bundle_hands_over(
    policies: Policies, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIFECYCLE_POLICY_DIGEST", OTHER)
    change(policies)
    policies.build(policies.keys / "eve", policies.keys / "fay")
    assert policies.verify() == 5
    assert f"but {OTHER} is pinned" in " ".join(capsys.readouterr().err.split())


def test_a_threshold_of_zero_is_no_bundle(policies: Policies) -> None:
    policies.edit("trust.yaml", "quorum: 2", "quorum: 0")
    with pytest.raises(ConfigurationError, match="greater than or equal to 1"):
        load_bundle(policies.bundle)


def around(policies: Policies, *, sandbox: bool = False) -> Surroundings:
    env = "sandbox" if sandbox else "reference"
    paths = Paths(root=policies.root, env=env, state_home=policies.keys / "state")
    paths.state.mkdir(parents=True, exist_ok=True)
    running = RunningSandbox(instance_id="x", endpoints={}, bootstrap=None) if sandbox else None  # type: ignore[arg-type]  # no server is asked here
    settings = read_settings(env=env, root=str(policies.root))
    return Surroundings(settings=settings, paths=paths, step=lambda _a, _b: None, note=lambda _a: None, sandbox=running)


def test_a_pin_in_the_repository_does_not_count(policies: Policies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIFECYCLE_POLICY_DIGEST")
    (policies.root / "lifecycle.toml").write_text(f'policy_digest = "{bundle_digest(policies.bundle)}"\nactor = "x"\n')
    assert read_settings(env="reference", root="").actor == "x"
    with pytest.raises(PolicyError, match="no policy bundle is pinned"):
        pinned_gate(around(policies))


def test_the_message_names_both_digests_when_one_moved(policies: Policies) -> None:
    change(policies)
    with pytest.raises(
        PolicyError, match=f"{bundle_digest(policies.bundle)}, but {os.environ['LIFECYCLE_POLICY_DIGEST']}"
    ):
        pinned_gate(around(policies))


def test_a_sandbox_pins_what_it_finds_first_and_says_how_to_go_on(policies: Policies) -> None:
    pinned_gate(around(policies, sandbox=True))
    change(policies)
    with pytest.raises(PolicyError) as refused:
        pinned_gate(around(policies, sandbox=True))
    assert "lifecycle policy bundle pin" in refused.value.remedy


def test_only_a_sandbox_is_pinned_by_command(policies: Policies) -> None:
    house = open_house(
        env="reference",
        root=str(policies.root),
        step=lambda _a, _b: None,
        note=lambda _a: None,
        live=lambda _a: None,  # type: ignore[arg-type,return-value]  # nothing is shown
    )
    with pytest.raises(ConfigurationError, match="outside a sandbox"):
        house.trust.pin()


def test_a_file_pins_when_whoever_applies_cannot_write_it(policies: Policies, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = policies.keys / "pin"
    pin.write_text(f"{OTHER}\n")
    monkeypatch.delenv("LIFECYCLE_POLICY_DIGEST")
    monkeypatch.setenv("LIFECYCLE_POLICY_PIN", f"file:{pin}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert pinned_digest(around(policies)) == OTHER
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PolicyError, match="can write the pin"):
        pinned_digest(around(policies))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("file:/nowhere/pin", "cannot be read"),
        ("ssm:/prod/pin", "no ARN of an SSM parameter"),
        ("vault:https://vault.attacker.example/v1/kv/data/pin", "not at the address of a Vault store"),
        ("spec", "names no known place"),
    ],
)
def test_a_pin_that_is_nowhere_is_no_pin(
    policies: Policies, monkeypatch: pytest.MonkeyPatch, place: str, said: str
) -> None:
    monkeypatch.setenv("LIFECYCLE_POLICY_PIN", place)
    with pytest.raises(ConfigurationError, match=said):
        pinned_digest(around(policies))


def test_two_pins_that_differ_are_none(policies: Policies, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = policies.keys / "pin"
    pin.write_text(OTHER)
    monkeypatch.setenv("LIFECYCLE_POLICY_PIN", f"file:{pin}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(PolicyError, match="LIFECYCLE_POLICY_DIGEST pins"):
        pinned_digest(around(policies))


def test_spec_and_bundle_never_change_in_one_apply() -> None:
    before = {"spec": "a", "policy_bundle": "b"}
    refuse_together(before, {"spec": "a", "policy_bundle": "c"})
    refuse_together(before, {"spec": "c", "policy_bundle": "b"})
    refuse_together({}, {"spec": "c", "policy_bundle": "d"})
    with pytest.raises(PolicyError, match="spec a -> c; policy_bundle b -> d"):
        refuse_together(before, {"spec": "c", "policy_bundle": "d"})

"""A checkout with an environment that is no sandbox: its AWS is an emulator that enforces authentication."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lifecycle.policy_engine.bundle import bundle_digest
from tests.contract.sandbox_server import Double
from tests.end_to_end.checkout import Checkout

SPEC = """\
version: 1
environment: production
owner: ml-platform
aws: {{account_id: "123456789012", region: eu-west-1, endpoint: "{endpoint}", max_retries: 1}}
backend:
  s3: {{bucket: {name}-tfstate, key: production.tfstate, region: eu-west-1, use_lockfile: true, use_path_style: true}}
secret_stores:
  default: {{aws_secrets_manager: {{prefix: {name}, kms_key: alias/{name}}}}}
journal: {{dynamodb: {{table: {name}-journal}}}}
approvals: {{required: 1, group: platform-leads}}

service_accounts:
  feature-reader:
    platform: aws
    principal: user
    purpose: reads feature files for model training
    permissions:
      - {{actions: ["s3:GetObject"], resources: ["arn:aws:s3:::{name}-features/*"]}}

credentials:
  feature-reader-key:
    kind: aws_iam_access_key
    service_account: feature-reader
    rotation_period: 30d
    grace: {{minimum: 1h, ceiling: 7d}}
    reason: CIS AWS 1.14, access keys are rotated within 90 days
    deliver_to:
      - file: {{path: feature-reader.json, mode: "0600"}}

connectors:
  secret-store: {{kind: aws_secrets_manager, can_describe: [feature-reader-key]}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approver:
    """A person with an SSH key.

    Attributes:
        name: as in the signers file.
        key: the private key's file.
    """

    name: str
    key: Path

    @classmethod
    def hire(cls, folder: Path, name: str) -> Approver:
        """Make a key."""
        key = folder / name.partition("@")[0]
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
        subprocess.run(argv, check=True, capture_output=True)
        return cls(name=name, key=key)

    @property
    def line(self) -> str:
        """Of the signers file."""
        kind, public, *_ = self.key.with_suffix(".pub").read_text().split()
        return f'{self.name} namespaces="lifecycle-review" {kind} {public}\n'


def production(base: Path, double: Double, *, name: str, extra: dict[str, str]) -> Checkout:
    """A checkout with the environment `production`, its login that of the emulator's administrator."""
    admin = double.bootstrap.aws
    login = {
        "AWS_ACCESS_KEY_ID": admin.access_key_id,
        "AWS_SECRET_ACCESS_KEY": admin.secret_access_key.get_secret_value(),
        "AWS_EC2_METADATA_DISABLED": "true",
        "LIFECYCLE_ACTOR": "deploy@ci",
    }
    checkout = Checkout.make(base, env="production", extra={**extra, **login})
    checkout.spec.mkdir()
    checkout.add("environment.yaml", SPEC.format(endpoint=double.url, name=name))
    return checkout


def pin_policies(checkout: Checkout, *approvers: Approver) -> dict[str, str]:
    """Let these people approve, and pin the bundle as it then is: the variable that pins it."""
    signers = checkout.root / "policies" / "signers" / "platform-leads"
    signers.write_text("".join(approver.line for approver in approvers))
    return {"LIFECYCLE_POLICY_DIGEST": bundle_digest(checkout.root / "policies")}


def closed(checkout: Checkout) -> Iterator[Checkout]:
    """For a fixture: end what is left, then remove it."""
    yield checkout
    checkout.close()
    shutil.rmtree(checkout.base, ignore_errors=True)

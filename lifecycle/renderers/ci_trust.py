"""What lets a CI job log in without a stored key: trust of AWS roles in the tokens of GitHub Actions.

Each identity trusts only the jobs that need it: planning runs on pull requests, applying in the protected environment
of the repository, everything scheduled on the default branch.

Source: GitHub documentation, "Configuring OpenID Connect in Amazon Web Services"; IAM user guide, OIDC federation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import Spec

_ISSUER = "token.actions.githubusercontent.com"
_AUDIENCE = "sts.amazonaws.com"
_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9_.-]+")


def trust_document(spec: Spec, subject: str) -> dict[str, object]:
    """The trust policy of one role.

    Args:
        spec: names the account.
        subject: the `sub` claim, exactly: a pattern would admit forks and branches that nobody protected.
    """
    account = spec.aws.account_id if spec.aws else ""
    claims = {f"{_ISSUER}:aud": _AUDIENCE, f"{_ISSUER}:sub": subject}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{_ISSUER}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": claims},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def subjects(spec: Spec, repository: str) -> Mapping[str, str]:
    """Identity -> the `sub` claim of the jobs that may be it."""
    return {
        "plan": f"repo:{repository}:pull_request",
        "apply": f"repo:{repository}:environment:{spec.environment}",
        "rotate": f"repo:{repository}:ref:refs/heads/main",
        "verify": f"repo:{repository}:ref:refs/heads/main",
    }


def render_ci_trust(spec: Spec, repository: str) -> str:
    """Instructions as text.

    Args:
        spec: of the environment.
        repository: `OWNER/NAME` at GitHub.

    Raises:
        ConfigurationError: the name is not of that form, or the spec names no AWS account.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise ConfigurationError(f"{repository!r} names no repository", remedy="write OWNER/NAME")
    if spec.aws is None:
        raise ConfigurationError(
            "the spec names no AWS account, so no role can trust a CI job", remedy="set aws.account_id and aws.region"
        )
    home = spec.environment
    lines = [
        f"CI trust of {home} in {repository} (GitHub Actions, OpenID Connect; no stored key)",
        "",
        f"1. Once per account {spec.aws.account_id}:",
        f"   aws iam create-open-id-connect-provider --url https://{_ISSUER} --client-id-list {_AUDIENCE}",
        f"2. In the repository: an environment {home} with required reviewers, deployable from main only.",
        f"3. A role per identity, its rights from policies/generated/{home}/aws/IDENTITY.json, its trust:",
    ]
    for identity, subject in subjects(spec, repository).items():
        document = json.dumps(trust_document(spec, subject), indent=2)
        lines += ["", f"   lifecycle-{home}-{identity}:", *(f"   {line}" for line in document.splitlines())]
    lines += [
        "",
        "4. In the workflow: permissions `id-token: write` and `contents: read`, then",
        "   aws-actions/configure-aws-credentials with role-to-assume",
        f"   arn:aws:iam::{spec.aws.account_id}:role/lifecycle-{home}-IDENTITY.",
    ]
    return "\n".join(lines) + "\n"

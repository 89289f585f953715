"""Who may assume a role: external principals, missing external ids, web identities that are too wide.

Source: IAM user guide, "The confused deputy problem", "Create a role for OpenID Connect federation" and "IAM JSON
policy elements: Condition operators" (…IfExists is met when the key is absent; only StringLike reads wildcards).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lifecycle.domain.errors import Place
from lifecycle.domain.policy import Finding, Severity

_CONTROLS = ("NIST-800-53 AC-3", "NIST-800-53 AC-6")
_ACCOUNT = re.compile(r"(?:arn:aws[a-z-]*:(?:iam|sts)::)?(\d{12})(?::.*)?")
_ORGANISATION_KEYS = frozenset(
    {"aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:principalarn"}
)
# Operators that hold a key to a value. Negated and …IfExists operators also let requests through that lack the key.
_EXACT = frozenset({"stringequals", "stringequalsignorecase", "foranyvalue:stringequals", "arnequals"})
_LIKE = frozenset({"stringlike", "foranyvalue:stringlike", "arnlike"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSubject:
    """A role whose trust policy is judged.

    Attributes:
        label: how messages name it, e.g. `role scoring-pipeline`.
        document: its trust policy, JSON.
        home_account: the account it is in.
        place: line of the spec that caused it.
        entry: its spec entry.
        address: its Terraform address.
    """

    label: str
    document: str
    home_account: str
    place: Place | None = None
    entry: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    rule: str
    severity: Severity
    text: str
    remedy: str
    evidence: str


def trust_findings(subject: TrustSubject) -> tuple[Finding, ...]:
    """Judge a trust policy.

    Raises:
        ValueError: it is no policy document.
    """
    return tuple(
        Finding(
            rule=problem.rule,
            severity=problem.severity,
            message=f"{subject.label} {problem.text}",
            remedy=problem.remedy,
            place=subject.place,
            entry=subject.entry,
            address=subject.address,
            evidence=problem.evidence,
            controls=_CONTROLS,
        )
        for problem in _problems_of(subject.document, subject.home_account)
    )


@lru_cache(maxsize=1024)
def _problems_of(text: str, home: str) -> tuple[_Problem, ...]:
    """Kept: five rules ask about each document, and many roles have the same."""
    document = json.loads(text)
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise ValueError("the trust policy has no Statement")
    return tuple(
        problem
        for statement in _listed(document["Statement"])
        if statement.get("Effect") == "Allow"
        for problem in _problems(statement, home)
    )


def _problems(statement: Mapping[str, Any], home: str) -> Iterator[_Problem]:
    held = _Conditions(statement.get("Condition") or {})
    if "NotPrincipal" in statement:
        yield _anybody("everybody but a list (NotPrincipal)", Severity.ERROR)
    principal = statement.get("Principal", {})
    kinds = {"AWS": "*"} if principal == "*" else principal
    for who in _listed(kinds.get("AWS", [])):
        yield from _account_problems(str(who), home, held)
    for provider in _listed(kinds.get("Federated", [])):
        if "oidc-provider/" in str(provider):
            yield from _web_problems(str(provider).partition("oidc-provider/")[2], held)


def _account_problems(who: str, home: str, held: _Conditions) -> Iterator[_Problem]:
    account = _ACCOUNT.fullmatch(who)
    if who == "*":
        narrowed = held.any_of(_ORGANISATION_KEYS)
        yield _anybody("anybody", Severity.WARNING if narrowed else Severity.ERROR)
    elif account is None:
        yield _Problem(
            rule="LC-TRUST-004",
            severity=Severity.ERROR,
            text=f"may be assumed by {who}, which is no account, role or user",
            remedy="AWS writes an id there when the principal was deleted: name the principal anew or remove it",
            evidence=who,
        )
    elif account.group(1) != home and not held.exact("sts:externalid"):
        yield _Problem(
            rule="LC-TRUST-002",
            severity=Severity.ERROR,
            text=f"may be assumed from account {account.group(1)} without an external id",
            remedy="demand sts:ExternalId with StringEquals, with an id that only this partner knows",
            evidence=who,
        )
    elif who.endswith(":root") or who == account.group(1):
        yield _Problem(
            rule="LC-TRUST-005",
            severity=Severity.NOTE,
            text=f"may be assumed by whomever account {account.group(1)} allows to",
            remedy="name the roles or users that may",
            evidence=who,
        )


def _anybody(who: str, severity: Severity) -> _Problem:
    return _Problem(
        rule="LC-TRUST-001",
        severity=severity,
        text=f"may be assumed by {who}",
        remedy="name the accounts, roles or services that may",
        evidence=who,
    )


def _web_problems(provider: str, held: _Conditions) -> Iterator[_Problem]:
    audience, subject = held.values(f"{provider}:aud"), held.values(f"{provider}:sub")
    if not audience or any("*" in text for text in audience):
        yield _web("whatever audience the token was made for", provider, "hold aud to one value with StringEquals")
    if not subject:
        yield _web("every identity of that provider", provider, "hold sub to one repository, branch or service account")
    for text in () if held.exact(f"{provider}:sub") else subject:
        severity = subject_severity(text)
        if severity is not None:
            whom = (
                "more than one repository or service account" if severity is Severity.ERROR else "any branch or event"
            )
            yield _web(f"{whom} ({text})", provider, "write sub without wildcards", severity, text)


def _web(whom: str, provider: str, remedy: str, severity: Severity = Severity.ERROR, evidence: str = "") -> _Problem:
    return _Problem(
        rule="LC-TRUST-003",
        severity=severity,
        text=f"may be assumed through {provider} by {whom}",
        remedy=remedy,
        evidence=evidence or provider,
    )


def subject_severity(subject: str) -> Severity | None:
    """How bad a wildcard in a `sub` is: in who it is, an error; behind that (branch, event), a warning.

    Subjects are `repo:ORG/REPO:…` (GitHub), `project_path:GROUP/PROJECT:…` (GitLab), `system:serviceaccount:NS:NAME`
    (Kubernetes). Any other form with a wildcard is taken for the worse.
    """
    fixed = re.split(r"[*?]", subject, maxsplit=1)[0]
    if fixed == subject:
        return None
    whole = re.match(r"(?:repo|project_path):[^/:]+/[^:]+:", fixed)
    return Severity.WARNING if whole else Severity.ERROR


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class _Conditions:
    """What the conditions of a statement really hold to a value; keys and operators without regard to case."""

    def __init__(self, conditions: Mapping[str, Mapping[str, Any]]) -> None:
        self._exact: dict[str, tuple[str, ...]] = {}
        self._like: dict[str, tuple[str, ...]] = {}
        for operator, keys in conditions.items():
            kind = operator.lower()
            into = self._exact if kind in _EXACT else self._like if kind in _LIKE else None
            if into is not None:
                into.update({key.lower(): tuple(str(item) for item in _listed(value)) for key, value in keys.items()})

    def exact(self, key: str) -> tuple[str, ...]:
        """Values of a key that must be equal, or like a text without wildcards."""
        key = key.lower()
        like = self._like.get(key, ())
        return self._exact.get(key, ()) or (like if like and not any("*" in text for text in like) else ())

    def values(self, key: str) -> tuple[str, ...]:
        """Values or patterns that a key is held to."""
        key = key.lower()
        # An exact value counts alone: both conditions must hold.
        return self._exact.get(key) or self._like.get(key, ())

    def any_of(self, keys: frozenset[str]) -> bool:
        """Whether one of the keys is held to something other than everything."""
        return any(text.strip("*") for key in keys for text in self.values(key))

"""What the login of this run may do at the providers, as they tell it: IAM policies, capabilities of a Vault token.

Read, never inferred: whatever cannot be asked is a gap with its reason, and gaps read "not shown".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import LifecycleError
from lifecycle.policy_engine.generate import generate_policies

if TYPE_CHECKING:
    from lifecycle.bootstrap.stores import Stores
    from lifecycle.clients.aws import AwsClients
    from lifecycle.clients.vault import VaultClient

_HOLDERS = {"user": "user", "assumed-role": "role"}  # of an ARN that STS tells, and what IAM calls it
Row = tuple[str, ...]
_PATH = re.compile(r'^path "([^"]+)" \{\s*capabilities = \[([^\]]*)\]', re.MULTILINE)
_WILD = re.compile(r"(^|/)\+(?=/|$)")


def held_rights(around: Surroundings, stores: Stores) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Who, where it is written, and what it may; then what could not be read."""
    rows: list[Row] = []
    gaps: list[str] = []
    asked: list[tuple[str, Callable[[], Iterator[Row]]]] = []
    if around.spec.aws is not None:
        asked.append(("AWS", lambda: aws_rights(around.aws)))
    for name, chosen in sorted(around.spec.secret_stores.items()):
        if chosen.kind == "vault":
            read = partial(_vault, around, stores, name)
            asked.append((f"Vault of secret_stores.{name}", read))
    for where, rights in asked:
        try:
            rows += rights()
        except LifecycleError as error:
            gaps.append(f"what this login holds, {where}: {error.message}")
    others = "what the identities of other runs hold: only the login of this run was asked"
    return tuple(rows), (*gaps, others)


def aws_rights(clients: AwsClients) -> Iterator[Row]:
    """The statements of every policy that the login carries; boundaries and account policies only take away from them.

    Raises:
        AuthenticationError: it may not read its own policies.
    """
    from lifecycle.clients.aws import aws_errors

    with aws_errors("asking who is logged in"):
        arn = str(clients.reader("sts").get_caller_identity()["Arn"])
    kind, *path = arn.rpartition(":")[2].split("/")
    if kind not in _HOLDERS:
        yield arn, "the account itself", "everything"
        return
    kind, name = _HOLDERS[kind], path[0] if kind == "assumed-role" else path[-1]
    with aws_errors(f"reading the policies of {kind} {name}"):
        for policy, document in _documents(clients.reader("iam"), kind, name):
            yield from ((arn, policy, text) for text in _statements(document))


def _documents(iam: Any, kind: str, name: str) -> Iterator[tuple[str, Any]]:
    """Inline and attached policies; of a user also those of its groups."""
    holders = [(kind, name)]
    if kind == "user":
        pages = iam.get_paginator("list_groups_for_user").paginate(UserName=name)
        holders += [("group", group["GroupName"]) for page in pages for group in page["Groups"]]
    for holder, held in holders:
        argument = {f"{holder.title()}Name": held}
        for page in iam.get_paginator(f"list_{holder}_policies").paginate(**argument):
            for policy in page["PolicyNames"]:
                found = getattr(iam, f"get_{holder}_policy")(**argument, PolicyName=policy)
                yield f"{policy}, inline in {holder} {held}", found["PolicyDocument"]
        for page in iam.get_paginator(f"list_attached_{holder}_policies").paginate(**argument):
            for policy in page["AttachedPolicies"]:
                arn = policy["PolicyArn"]
                version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
                found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
                yield arn, found["Document"]


def _statements(document: Any) -> Iterator[str]:
    found = document.get("Statement", []) if isinstance(document, Mapping) else []
    for item in found if isinstance(found, list) else [found]:
        what = _said(item["Action"]) if "Action" in item else f"everything but {_said(item.get('NotAction'))}"
        where = _said(item["Resource"]) if "Resource" in item else f"everything but {_said(item.get('NotResource'))}"
        yield f"{item.get('Effect')} {what} on {where}{' under conditions' if item.get('Condition') else ''}"


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _vault(around: Surroundings, stores: Stores, name: str) -> Iterator[Row]:
    client = stores.vault_client(around.spec.secret_stores[name].settings)
    return vault_rights(client, f"secret_stores.{name}", needed_paths(generate_policies(around.spec), name))


def vault_rights(client: VaultClient, where: str, needed: Mapping[str, frozenset[str]]) -> Iterator[Row]:
    """The policies that the token carries, and what it may do at each path that some identity needs.

    Args:
        client: logged in as whoever is asked about.
        where: the store, in words.
        needed: of `needed_paths`.

    Raises:
        AuthenticationError: the token may not look at itself.
    """

    def look(session: Any) -> Any:
        return session.auth.token.lookup_self()["data"]

    def ask(session: Any) -> Any:
        return session.sys.get_capabilities(paths=sorted(needed))

    token = client.read(look, what="looking up the token")
    policies = ", ".join(sorted({*token.get("policies", ()), *(token.get("identity_policies") or ())}))
    who = f"Vault token {token.get('display_name') or 'without a name'}"
    yield who, where, f"carries the policies {policies or 'none'}"
    answer = client.read(ask, what="asking for capabilities") if needed else {}
    for path in sorted(needed):
        held = {str(item) for item in answer.get("data", answer).get(path, ())} - {"deny"}
        beyond = ", ".join(sorted(held - needed[path]))
        told = f"{', '.join(sorted(held)) or 'nothing'} on {path}"
        yield who, where, f"{told}; beyond what any identity needs: {beyond}" if beyond else told


def needed_paths(files: Mapping[str, str], store: str) -> dict[str, frozenset[str]]:
    """What the least policies of all identities grant together in one store, by path.

    Vault tells what one path may, never a pattern: a segment `+` is asked with a made-up name in it.

    Args:
        files: of `generate_policies`.
        store: name of the store.
    """
    found: dict[str, frozenset[str]] = {}
    for file, text in files.items():
        for path, listed in _PATH.findall(text) if f"/vault/{store}/" in file else ():
            asked = _WILD.sub(r"\1some-name", path)
            found[asked] = found.get(asked, frozenset()) | frozenset(re.findall(r'"([^"]+)"', listed))
    return found

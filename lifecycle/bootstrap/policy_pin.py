"""Where the digest of the policy bundle is pinned: always outside the repository, as that is what is under review.

    LIFECYCLE_POLICY_DIGEST=sha256:…                                     a variable of the apply job
    LIFECYCLE_POLICY_PIN=file:/etc/lifecycle/policy-digest               a file that this user cannot write
    LIFECYCLE_POLICY_PIN=ssm:arn:aws:ssm:REGION:ACCOUNT:parameter/NAME   a parameter
    LIFECYCLE_POLICY_PIN=vault:https://vault.example/v1/kv/data/NAME     field `digest` of a KV version 2 secret

A sandbox pins what it finds when it is first used. None of these places is taken from the spec, which could otherwise
name its own.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import ConfigurationError, PolicyError

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PARAMETER = re.compile(r"arn:aws[a-z-]*:ssm:([a-z0-9-]+):\d{12}:parameter/.+")
_FORMS = "set LIFECYCLE_POLICY_PIN to file:PATH, ssm:PARAMETER-ARN or vault:URL, or LIFECYCLE_POLICY_DIGEST"
_WRITING = frozenset({"create", "update", "patch", "delete", "root", "sudo"})


def pinned_digest(around: Surroundings) -> str:
    """The pinned digest; empty when nothing is pinned.

    Raises:
        PolicyError: it is pinned where the apply identity can write, in two places that differ, or is no digest.
        ConfigurationError: the place is not named rightly.
        AuthenticationError, RemoteServiceError: it cannot be read.
    """
    if around.sandbox is not None:
        return _sandbox_pin(around).read_text().strip() if _sandbox_pin(around).is_file() else ""
    place, given = around.settings.policy_pin, around.settings.policy_digest
    found = _checked(_read(around, place), place) if place else ""
    if found and given and found != given:
        raise PolicyError(
            f"LIFECYCLE_POLICY_DIGEST pins {given}, but {place} pins {found}", remedy="pin it in one place"
        )
    return found or (_checked(given, "LIFECYCLE_POLICY_DIGEST") if given else "")


def pin_in_sandbox(around: Surroundings, digest: str) -> None:
    """Let a sandbox go on with this bundle."""
    from lifecycle.foundation.atomic_file import replace_file

    replace_file(_sandbox_pin(around), f"{digest}\n".encode())


def _sandbox_pin(around: Surroundings) -> Path:
    return around.paths.state / "policy-digest"


def _checked(text: str, where: str) -> str:
    if not _DIGEST.fullmatch(text.strip()):
        raise PolicyError(
            f"{where} holds no digest of a policy bundle", remedy="write sha256: and 64 hexadecimal digits there"
        )
    return text.strip()


def _read(around: Surroundings, place: str) -> str:
    kind, _, name = place.partition(":")
    if kind == "file":
        return _from_file(Path(name))
    if kind == "ssm":
        return _from_parameter(around, name)
    if kind == "vault":
        return _from_vault(around, name)
    raise ConfigurationError(f"LIFECYCLE_POLICY_PIN names no known place: {place}", remedy=_FORMS)


def _from_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the pin {path} cannot be read: {type(error).__name__}", remedy=_FORMS) from None
    if os.geteuid() != 0 and any(os.access(item, os.W_OK) for item in (path, path.parent)):
        raise PolicyError(
            f"whoever applies can write the pin {path}, so the change under review could move it",
            remedy="let another user own the file and its folder",
        )
    return text


def _from_parameter(around: Surroundings, arn: str) -> str:
    from lifecycle.clients.aws import AwsClients, aws_errors

    match = _PARAMETER.fullmatch(arn)
    if match is None:
        raise ConfigurationError(f"{arn} is no ARN of an SSM parameter", remedy=_FORMS)
    # Never the endpoint of the spec: it is part of what is judged.
    clients = AwsClients(replace(around.aws_connection, region=match.group(1), endpoint=""))
    with aws_errors(f"reading the pinned policy digest {arn}"):
        found = clients.reader("ssm").get_parameter(Name=arn)["Parameter"]
    if found["ARN"] != arn:
        raise PolicyError(f"{arn} was asked for, {found['ARN']} answered", remedy="name the parameter's whole ARN")
    return str(found["Value"])


def _from_vault(around: Surroundings, url: str) -> str:
    from lifecycle.bootstrap.stores import Stores

    parts = urlsplit(url)
    address, path = f"{parts.scheme}://{parts.netloc}", parts.path.removeprefix("/v1/")
    stores = around.spec.secret_stores.values()
    known = [s.settings for s in stores if s.kind == "vault" and s.settings.address.rstrip("/") == address]
    if not known or "/data/" not in path:
        raise ConfigurationError(
            f"the pin {url} is not at the address of a Vault store of this spec, or not below data/", remedy=_FORMS
        )
    client = Stores(around).vault_client(known[0])
    what = f"reading the pinned policy digest {path}"
    allowed: Any = client.read(
        lambda vault: vault.adapter.post("/v1/sys/capabilities-self", json={"paths": [path]}), what=what
    )
    writing = _WRITING & {str(item) for item in allowed["data"].get("capabilities", ())}
    if writing:
        raise PolicyError(
            f"this Vault token may {', '.join(sorted(writing))} {path}, so the change under review could move the pin",
            remedy="let the policy of the apply identity read that path only",
        )
    return str(client.read(lambda vault: vault.read(path), what=what)["data"]["data"].get("digest", ""))

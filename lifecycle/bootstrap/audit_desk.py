"""What `lifecycle audit …` may ask for: show, sign, verify, export. Only signing and the bucket need a network."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle import __version__
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ConfigurationError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lifecycle.clients.aws import AwsClients
    from lifecycle.domain.audit import AuditEvent
    from lifecycle.domain.audit_head import AuditHead, HeadSigner, HeadStatement, HeadStore, HeadVerifier, TrailCheck
    from lifecycle.operations.select_events import EventFilter

FORMATS = ("jsonl", "cef", "oscal")
Numbered = tuple[int, "AuditEvent"]


class AuditDesk:
    """The audit log of one environment.

    Args:
        around: settings, paths, spec.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def events(self, wanted: EventFilter) -> tuple[Numbered, ...]:
        """Wanted events with the number of their line, oldest first; the chain was checked."""
        return tuple((head.sequence, event) for event, head in self._lines(None) if wanted.holds(event))

    def verify(self, *, expect_head: str = "", file: Path | None = None, kept: bool = False) -> TrailCheck:
        """Check the log, or a copy, against its chain, its signed heads, and an earlier head.

        Args:
            expect_head: a digest that was noted elsewhere.
            file: a copy, e.g. of an evidence pack.
            kept: also ask the write-once storage, which needs the network.

        Raises:
            IntegrityError: it was altered.
        """
        from lifecycle.operations.sign_audit_head import check_trail

        chain = tuple(head for _, head in self._lines(file))
        return check_trail(
            chain,
            self._stores(file, kept=kept),
            self.verifier,
            environment=self._around.paths.env,
            expect_head=expect_head,
        )

    def signed_heads(self) -> tuple[tuple[str, ...], ...]:
        """When, line, digest and signer of each head beside the log; call after `verify`."""
        from lifecycle.domain.audit_head import HeadStatement

        rows = []
        for head in self._stores(None, kept=False)[0].heads():
            said = HeadStatement.model_validate_json(head.data)
            signer = self.verifier.signer(head.data, head.signature, said.at)
            rows.append((f"{said.at:%Y-%m-%d %H:%M}", str(said.sequence), str(said.digest), signer))
        return tuple(rows)

    def sign(self, key: Path | None) -> tuple[HeadStatement, str]:
        """Sign the newest line, with a key file or the key that the spec names, and keep it everywhere."""
        from lifecycle.operations.sign_audit_head import SigningContext, sign_head

        once = self._around.spec.audit.write_once
        lines = self._lines(None)
        context = SigningContext(
            environment=self._around.paths.env,
            signer=self.signer(key),
            verifier=self.verifier,
            stores=self._stores(None, kept=once is not None),
            keep_for=timedelta(days=once.days if once else 1),
        )
        return sign_head(context, [head for _, head in lines], [event for event, _ in lines], utc_now())

    def signer(self, key: Path | None) -> HeadSigner:
        """Whoever signs: never with the login that rotates.

        Raises:
            ConfigurationError: no key is named anywhere, or there is no login beside the rotator's.
        """
        from lifecycle.journals.head_signers import KmsHeadSigner, SshHeadSigner, TransitHeadSigner
        from lifecycle.settings import agent_environment

        chosen = self._around.spec.audit.signer
        if key is not None:
            return SshHeadSigner(key=key, environment=agent_environment())
        if chosen is None:
            raise ConfigurationError(
                "no key is named to sign with",
                remedy="add --key FILE, or `audit: {signer: {vault_transit: {key: NAME}}}` (or aws_kms) to the spec",
            )
        if chosen.aws_kms:
            return KmsHeadSigner(clients=self._around.administrator_aws, key=chosen.aws_kms)
        transit = chosen.vault_transit
        assert transit is not None  # noqa: S101 - the model admits exactly one; narrows for mypy
        from lifecycle.bootstrap.stores import Stores, vault_server

        if self._around.spec.sandbox is None and not self._around.settings.vault_token.get_secret_value():
            raise ConfigurationError(
                "the login of the secret store belongs to the rotator, whose signature would prove nothing",
                remedy="set LIFECYCLE_VAULT_TOKEN to a token of the auditor, who may update transit/sign and no more",
            )
        server = vault_server(self._around.spec, transit.store)
        client = Stores(self._around, administrator=True).vault_client(server)
        return TransitHeadSigner(client=client, mount=transit.mount, key=transit.key)

    def export(self, form: str, wanted: EventFilter) -> Iterator[str]:
        """Wanted events as JSON lines, CEF, or OSCAL assessment results with the verdict over the spec."""
        from lifecycle.domain.audit import canonical
        from lifecycle.renderers.audit_cef import audit_cef

        events = self.events(wanted)
        if form == "cef":
            yield from audit_cef(events, environment=self._around.paths.env, tool_version=__version__)
        elif form == "oscal":
            yield json.dumps(self._oscal(events), indent=2, ensure_ascii=False)
        else:
            for number, event in events:
                yield canonical({"line": number, **event.model_dump(mode="json")}).decode()

    def _oscal(self, events: tuple[Numbered, ...]) -> object:
        from lifecycle.bootstrap.gate import gate, rule_cards
        from lifecycle.domain.policy import GateInput
        from lifecycle.renderers.audit_oscal import audit_oscal

        verdict = gate(self._around).evaluate(GateInput(spec=self._around.spec))
        chain = self._lines(None)
        return audit_oscal(
            events,
            verdict,
            rule_cards(self._around),
            environment=self._around.paths.env,
            made=utc_now(),
            head=chain[-1][1].digest if chain else "",
            tool_version=__version__,
        )

    @cached_property
    def verifier(self) -> HeadVerifier:
        """Keys of the policy bundle."""
        from lifecycle.journals.head_signers import BundleHeadVerifier
        from lifecycle.settings import agent_environment

        return BundleHeadVerifier(signers=self._around.paths.policies / "signers", environment=agent_environment())

    def _stores(self, file: Path | None, *, kept: bool) -> tuple[HeadStore, ...]:
        from lifecycle.journals.head_files import HeadFiles
        from lifecycle.journals.head_objects import HeadObjects

        beside: HeadStore = HeadFiles(file or self._around.paths.audit)
        if not kept:
            return (beside,)
        once = self._around.spec.audit.write_once
        if once is None:
            raise ConfigurationError(
                "the spec names no write-once storage", remedy="add `audit: {write_once: {bucket: NAME}}`"
            )
        prefix = f"{once.prefix.strip('/')}/{self._around.paths.env}".strip("/")
        return beside, HeadObjects(self._clients(once.region), bucket=once.bucket, prefix=prefix)

    def _clients(self, region: str) -> AwsClients:
        from dataclasses import replace

        from lifecycle.clients.aws import AwsClients

        clients = self._around.administrator_aws
        if not region or region == clients.connection.region:
            return clients
        return AwsClients(replace(clients.connection, region=region))

    def _lines(self, file: Path | None) -> tuple[tuple[AuditEvent, AuditHead], ...]:
        from lifecycle.journals.audit_file import audit_lines

        if file is not None and not file.is_file():
            raise NotFoundError(f"there is no file {file}", remedy="name audit.jsonl of an evidence pack")
        return audit_lines(file or self._around.paths.audit)

"""What every minting issuer does. A test module subclasses `IssuerContract` and gives it a `bench`."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from lifecycle.domain.credential import CredentialId, Minted, NotReported
from lifecycle.domain.errors import AuthenticationError, NotFoundError, RemoteServiceError, UnreachableError
from lifecycle.domain.leak import PUBLIC_FIELDS
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Reason, VerificationResult, outcome
from lifecycle.testing.boundaries import Boundaries
from lifecycle.testing.driven import Driven

MARKER = "lifecycle:test/credential:op-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerBench:
    """An issuer with a principal of its own.

    Attributes:
        issuer: under test.
        principal: whose credentials.
        works: logs in at the target with a value.
        unreachable: the same issuer, its server's port closed.
        refused: the same issuer, its own login refused.
        creator: our name as the provider lists creators; empty when it does not.
    """

    issuer: MintingIssuer
    principal: str
    works: Callable[[SecretValue], bool]
    unreachable: MintingIssuer
    refused: MintingIssuer
    creator: str = ""

    def driven(self) -> Driven:
        """The issuer under the driver, nothing issued yet."""
        return Driven(issuer=self.issuer, principal=self.principal, verify=self.verify, creator=self.creator)

    def verify(self, value: SecretValue) -> VerificationResult:
        """What `works` says, in the driver's words."""
        reason = Reason.WORKS if self.works(value) else Reason.WRONG_VALUE
        return VerificationResult(status=outcome(reason), reason=reason)

    def mint(self, marker: str = MARKER, previous: SecretValue | None = None) -> Minted:
        """Mint one."""
        return self.issuer.mint(self.principal, marker, previous)

    def ids(self) -> frozenset[CredentialId]:
        """What is listed."""
        return self.issuer.list(self.principal).ids()


class IssuerContract:
    """The suite."""

    def test_minted_credential_is_listed_and_works(self, bench: IssuerBench) -> None:
        """Minted credential is listed and works."""
        before = bench.ids()
        minted = bench.mint()
        assert bench.ids() - before == {minted.credential.id}
        assert bench.issuer.identify(minted.value) == minted.credential.id
        assert bench.works(minted.value)

    def test_marker_is_listed_where_the_issuer_stamps(self, bench: IssuerBench) -> None:
        """Marker is listed where the issuer stamps."""
        minted = bench.mint()
        listed = bench.issuer.list(bench.principal).find(minted.credential.id)
        assert listed is not None
        assert listed.marker == (MARKER if bench.issuer.traits.stamp else "")

    def test_values_never_show(self, bench: IssuerBench) -> None:
        """Values never show."""
        minted = bench.mint()
        shown = repr(minted) + str(bench.issuer.list(bench.principal))
        secret = [text.get_secret_value() for name, text in minted.value.items() if name not in PUBLIC_FIELDS]
        assert secret
        assert not any(text in shown for text in secret)

    def test_two_live_side_by_side(self, bench: IssuerBench) -> None:
        """Two live side by side."""
        first = bench.mint()
        self.settle_initial(bench)
        second = bench.mint("lifecycle:test/credential:op-2", first.value)
        assert {first.credential.id, second.credential.id} <= bench.ids()
        assert bench.works(first.value)
        assert bench.works(second.value)

    def test_revoked_credential_is_gone_and_refused(self, bench: IssuerBench) -> None:
        """Revoked credential is gone and refused."""
        first = bench.mint()
        self.settle_initial(bench)
        second = bench.mint("lifecycle:test/credential:op-2", first.value)
        bench.issuer.revoke(bench.principal, first.credential.id)
        assert first.credential.id not in bench.ids()
        assert not bench.works(first.value)
        assert bench.works(second.value)
        with pytest.raises(NotFoundError):
            bench.issuer.revoke(bench.principal, first.credential.id)

    def test_last_credential_can_be_retired(self, bench: IssuerBench) -> None:
        """Last credential can be retired."""
        minted = bench.mint()
        self.settle_initial(bench)
        bench.issuer.revoke(bench.principal, minted.credential.id)
        assert minted.credential.id not in bench.ids()
        assert not bench.works(minted.value)

    def test_rotation_can_follow_a_retirement(self, bench: IssuerBench) -> None:
        """Rotation can follow a retirement."""
        first = bench.mint()
        self.settle_initial(bench)
        bench.issuer.revoke(bench.principal, first.credential.id)
        second = bench.mint("lifecycle:test/credential:op-2")
        assert bench.works(second.value)
        assert second.credential.id in bench.ids()

    def test_soft_off_as_declared(self, bench: IssuerBench) -> None:
        """Soft off as declared."""
        minted = bench.mint()
        if not bench.issuer.traits.soft_off:
            with pytest.raises(RemoteServiceError):
                bench.issuer.set_enabled(bench.principal, minted.credential.id, False)
            assert bench.works(minted.value)
            return
        for enabled in (False, False, True, True):
            bench.issuer.set_enabled(bench.principal, minted.credential.id, enabled)
            listed = bench.issuer.list(bench.principal).find(minted.credential.id)
            assert listed is not None
            assert listed.enabled is enabled
            assert bench.works(minted.value) is enabled

    def test_last_use_is_evidence_or_unknown(self, bench: IssuerBench) -> None:
        """Last use is evidence or unknown."""
        minted = bench.mint()
        unused = bench.issuer.last_used(bench.principal, minted.credential.id)
        expected = NotReported.NEVER if bench.issuer.traits.last_used else NotReported.UNKNOWN
        assert unused is expected

    def test_read_back_as_declared(self, bench: IssuerBench) -> None:
        """Read back as declared."""
        minted = bench.mint()
        again = bench.issuer.read_back(bench.principal)
        if bench.issuer.traits.readback:
            assert isinstance(again, Minted)
            assert again.value == minted.value
            assert again.credential.id == minted.credential.id
        else:
            assert again is NotReported.UNKNOWN

    def test_closed_port_is_unreachable_and_nothing_was_sent(self, bench: IssuerBench) -> None:
        """Closed port is unreachable and nothing was sent."""
        with pytest.raises(UnreachableError):
            bench.unreachable.mint(bench.principal, MARKER, None)
        with pytest.raises(UnreachableError):
            bench.unreachable.list(bench.principal)

    def test_refused_login_is_told_without_the_login(self, bench: IssuerBench) -> None:
        """Refused login is told without the login."""
        with pytest.raises(AuthenticationError) as caught:
            bench.refused.mint(bench.principal, MARKER, None)
        assert "wrong-login" not in f"{caught.value!r} {caught.value.remedy}"

    def test_every_crash_boundary_is_resumed_without_loss(self, bench: IssuerBench) -> None:
        """The driver is cut once at every write; nothing is lost, orphaned, or revoked in use."""
        driven = self.under_the_driver(bench)
        if driven is not None:
            assert Boundaries(driven=driven).prove()

    def under_the_driver(self, bench: IssuerBench) -> Driven | None:
        """The credential that is cut at its boundaries; None where no driver can bring it to life by itself."""
        return bench.driven()

    def settle_initial(self, bench: IssuerBench) -> None:
        """End what the principal was born with, where a second mint would wait for it."""
        del bench

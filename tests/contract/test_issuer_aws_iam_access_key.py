from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import botocore.exceptions
import pytest

from lifecycle.clients.aws import AwsClients, AwsConnection
from lifecycle.connectors.aws_identity import AwsIdentitySettings, AwsIdentityVerifier
from lifecycle.domain.errors import NotFoundError, RemoteServiceError, SlotOccupiedError
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.issuers.aws_iam_access_key import AwsIamAccessKeyIssuer
from lifecycle.testing.driven import LONG, Driven, rotates_and_retires
from lifecycle.testing.issuer_contract import IssuerBench, IssuerContract
from tests.contract.sandbox_server import Double, running_double
from tests.servers.process import free_port
from tests.servers.versitygw import VersityGateway

_MAY_LIST = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}'
)
_WRONG = SecretText("wrong-login")


def _clients(endpoint: str, key_id: SecretText, secret: SecretText) -> AwsClients:
    return AwsClients(
        AwsConnection(region="us-east-1", endpoint=endpoint, access_key_id=key_id, secret_access_key=secret)
    )


def _login(endpoint: str) -> Callable[[SecretValue], bool]:
    def works(value: SecretValue) -> bool:
        sts = _clients(endpoint, value["access_key_id"], value["secret_access_key"]).reader("sts")
        try:
            sts.get_caller_identity()
        except botocore.exceptions.ClientError:
            return False
        return True

    return works


def _lists_buckets(clients: AwsClients) -> bool:
    try:
        clients.reader("s3").list_buckets()
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidAccessKeyId", error
        return False
    return True


def _bench(endpoint: str, key_id: SecretText, secret: SecretText) -> IssuerBench:
    admin = _clients(endpoint, key_id, secret)
    user = f"user-{uuid4()}"
    admin.writer("iam").create_user(UserName=user)
    return IssuerBench(
        issuer=AwsIamAccessKeyIssuer(admin),
        principal=user,
        works=_login(endpoint),
        unreachable=AwsIamAccessKeyIssuer(_clients(f"http://127.0.0.1:{free_port()}", key_id, secret)),
        refused=AwsIamAccessKeyIssuer(_clients(endpoint, key_id, _WRONG)),
    )


class IamContract(IssuerContract):
    """What IAM adds."""

    def test_third_key_finds_no_slot(self, bench: IssuerBench) -> None:
        bench.mint()
        bench.mint()
        with pytest.raises(SlotOccupiedError):
            bench.mint()

    def test_unknown_user_is_not_found(self, bench: IssuerBench) -> None:
        with pytest.raises(NotFoundError):
            bench.issuer.list("nobody")


class TestOnStrictAws(IamContract):
    """Against the sandbox's emulator."""

    @pytest.fixture
    def bench(self, double: Double) -> IssuerBench:
        admin = double.bootstrap.aws
        return _bench(double.url, SecretText(admin.access_key_id), admin.secret_access_key)


class TestOnVersityGateway(IamContract):
    """Against a real IAM and STS."""

    @pytest.fixture
    def bench(self, versitygw: VersityGateway) -> IssuerBench:
        root = versitygw.root
        return _bench(versitygw.iam_endpoint, SecretText(root.access_key_id), SecretText(root.secret_access_key))

    def test_s3_refuses_a_key_as_soon_as_it_is_off_or_gone(self, bench: IssuerBench, versitygw: VersityGateway) -> None:
        root = versitygw.root
        admin = _clients(versitygw.iam_endpoint, SecretText(root.access_key_id), SecretText(root.secret_access_key))
        admin.writer("iam").put_user_policy(UserName=bench.principal, PolicyName="list", PolicyDocument=_MAY_LIST)
        minted = bench.mint()
        s3 = _clients(versitygw.s3_endpoint, minted.value["access_key_id"], minted.value["secret_access_key"])
        seen = []
        for enabled in (True, False, True):
            bench.issuer.set_enabled(bench.principal, minted.credential.id, enabled)
            seen.append(_lists_buckets(s3))
        bench.issuer.revoke(bench.principal, minted.credential.id)
        assert [*seen, _lists_buckets(s3)] == [True, False, True, False]

    def test_driver_issues_rotates_and_retires(self, bench: IssuerBench, versitygw: VersityGateway) -> None:
        connection = AwsConnection(region="us-east-1", endpoint=versitygw.iam_endpoint)
        verifier, target = AwsIdentityVerifier(connection, clock=lambda: datetime.now(UTC)), AwsIdentitySettings()
        driven = Driven(
            issuer=bench.issuer,
            principal=bench.principal,
            verify=lambda value: verifier.verify(target, value, deadline=LONG, via=None),
        )
        rotates_and_retires(driven)


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("strict-aws")) as running:
        yield running


def test_key_of_this_very_process_is_never_ended(double: Double) -> None:
    admin, user = double.aws(), f"user-{uuid4()}"
    admin.writer("iam").create_user(UserName=user)
    first = AwsIamAccessKeyIssuer(admin).mint(user, "op-1", None).value
    itself = AwsClients(
        replace(admin.connection, access_key_id=first["access_key_id"], secret_access_key=first["secret_access_key"])
    )
    own = AwsIamAccessKeyIssuer(itself, self_admin=True)
    assert own.traits.self_admin
    key = own.identify(first)
    with pytest.raises(RemoteServiceError, match="this process is logged in") as caught:
        own.set_enabled(user, key, False)
    assert caught.value.retryable
    with pytest.raises(RemoteServiceError, match="this process is logged in"):
        own.revoke(user, key)
    assert key in AwsIamAccessKeyIssuer(admin).list(user).ids()
    AwsIamAccessKeyIssuer(admin, self_admin=True).revoke(user, key)  # the next run, with another login
    assert AwsIamAccessKeyIssuer(admin).list(user).credentials == ()

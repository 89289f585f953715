"""The four-step rotation of Secrets Manager: driven over the emulator by a local copy of the protocol."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from lifecycle.clients.aws import AwsClients
from lifecycle.domain.change_window import ALWAYS
from lifecycle.domain.credential import CredentialClass, NotReported
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
    UnreachableError,
)
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import Reason, VerificationResult, outcome
from lifecycle.issuers.aws_rotation_function import AwsRotationFunctionIssuer
from lifecycle.operations.adopt_credential import adopt
from lifecycle.operations.rotate_credential import resume
from lifecycle.operations.rotation_context import Standing
from lifecycle.testing.driven import FINGERPRINT, Driven
from tests.contract.rotation_function import ARN, STEPS, RotatingAws
from tests.contract.sandbox_server import Double, running_double
from tests.servers.process import free_port

_FIRST = {"engine": "postgres", "port": 5432, "username": "ingest", "password": "first-password"}


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("rotation-function")) as running:
        yield running


@pytest.fixture
def aws(double: Double) -> RotatingAws:
    aws = RotatingAws(double.aws())
    aws.target.password = str(_FIRST["password"])
    return aws


@pytest.fixture
def secret(aws: RotatingAws) -> str:
    name = f"theirs/{uuid4()}"
    aws.real.writer("secretsmanager").create_secret(Name=name, SecretString=json.dumps(_FIRST))
    return name


def _issuer(aws: RotatingAws | AwsClients, *, timeout: timedelta = timedelta(seconds=10)) -> AwsRotationFunctionIssuer:
    if isinstance(aws, AwsClients):
        return AwsRotationFunctionIssuer(aws, FINGERPRINT, function=ARN)
    clients: AwsClients = aws  # type: ignore[assignment]  # the same two methods, with a function behind them
    return AwsRotationFunctionIssuer(
        clients, FINGERPRINT, function=ARN, timeout=timeout, monotonic=aws.monotonic, sleep=aws.sleep
    )


def _driven(aws: RotatingAws, secret: str) -> Driven:
    """Under the driver, the value that the function's secret holds stored and adopted."""

    def verify(value: SecretValue) -> VerificationResult:
        works = value["password"].get_secret_value() == aws.target.password
        reason = Reason.WORKS if works else Reason.WRONG_VALUE
        return VerificationResult(status=outcome(reason), reason=reason, checked_at=datetime.now(UTC))

    issuer = _issuer(aws)
    driven = Driven(issuer=issuer, principal=secret, verify=verify, admin=lambda: issuer.ready(secret))
    first = issuer.read_back(secret)
    assert not isinstance(first, NotReported)
    driven.store.put_current(first.value)
    driven.context = replace(driven.context, policy=replace(driven.context.policy, window=ALWAYS))
    assert adopt(driven.context).standing is Standing.DONE
    return driven


def test_function_makes_the_value_and_the_label_acknowledges_it(aws: RotatingAws, secret: str) -> None:
    minted = _issuer(aws).mint(secret, "op-1", None)
    assert minted.value["password"].get_secret_value() == aws.target.password != _FIRST["password"]
    assert minted.value["port"].get_secret_value() == "5432"
    assert [aws.stages(secret)[token] for token in aws.asked] == [["AWSPENDING", "AWSCURRENT"]]
    assert _issuer(aws).list(secret).ids() == {minted.credential.id} == {_issuer(aws).identify(minted.value)}
    assert aws.target.password not in repr(minted)


def test_value_can_be_read_again(aws: RotatingAws, secret: str) -> None:
    minted = _issuer(aws).mint(secret, "op-1", None)
    again = _issuer(aws).read_back(secret)
    assert not isinstance(again, NotReported)
    assert again.value == minted.value
    assert _issuer(aws).traits.readback
    assert _issuer(aws).traits.credential_class is CredentialClass.D


@pytest.mark.parametrize("step", STEPS)
def test_failed_step_is_gone_on_with_under_the_same_version(aws: RotatingAws, secret: str, step: str) -> None:
    aws.fails_at = [step]
    with pytest.raises(AmbiguousEffectError, match="still AWSPENDING") as caught:
        _issuer(aws).mint(secret, "op-1", None)
    assert "function:rotate-one in CloudWatch" in caught.value.remedy
    minted = _issuer(aws).mint(secret, "op-2", None)
    assert len(set(aws.asked)) == 1, "another operation asks for the same version, never for a second one"
    assert minted.value["password"].get_secret_value() == aws.target.password


@pytest.mark.parametrize("step", STEPS)
def test_driver_survives_a_failing_function(aws: RotatingAws, secret: str, step: str) -> None:
    driven = _driven(aws, secret)
    aws.fails_at = [step, step]
    driven.rotate()
    result = resume(driven.context, wait=True)
    assert (result.state, result.outcome) == (State.CLOSED, Outcome.DONE), result
    assert driven.current()["password"].get_secret_value() == aws.target.password
    assert len(set(aws.asked)) == 1


def test_function_that_never_finishes_ends_in_quarantine_with_every_value_kept(aws: RotatingAws, secret: str) -> None:
    driven = _driven(aws, secret)
    aws.fails_at = ["testSecret"] * 20
    driven.rotate()
    result = resume(driven.context, wait=True)
    assert result.state is State.QUARANTINED
    stages = aws.stages(secret)
    assert sorted(map(tuple, stages.values())) == [("AWSCURRENT",), ("AWSPENDING",)]


def test_lost_answer_is_resolved_by_the_labels(aws: RotatingAws, secret: str) -> None:
    driven = _driven(aws, secret)
    aws.lost = True
    driven.rotate()
    result = resume(driven.context, wait=True)
    assert (result.state, result.outcome) == (State.CLOSED, Outcome.DONE), result
    assert driven.works(driven.current())
    assert driven.ids() == {driven.issuer.identify(driven.current())}


def test_pending_of_somebody_else_is_named_and_left_alone(aws: RotatingAws, secret: str) -> None:
    theirs = str(uuid4())
    aws.real.writer("secretsmanager").put_secret_value(
        SecretId=secret, SecretString="{}", ClientRequestToken=theirs, VersionStages=["AWSPENDING"]
    )
    with pytest.raises(SlotOccupiedError, match=theirs) as caught:
        _issuer(aws).mint(secret, "op-1", None)
    assert f"--remove-from-version-id {theirs}" in caught.value.remedy
    assert aws.asked == []
    assert aws.stages(secret)[theirs] == ["AWSPENDING"]


def test_version_without_a_stage_is_stepped_over(aws: RotatingAws, secret: str) -> None:
    aws.fails_at = ["setSecret"]
    with pytest.raises(AmbiguousEffectError):
        _issuer(aws).mint(secret, "op-1", None)
    (spent,) = aws.asked
    aws.real.writer("secretsmanager").update_secret_version_stage(  # what a person did who gave it up
        SecretId=secret, VersionStage="AWSPENDING", RemoveFromVersionId=spent
    )
    aws._reserved.clear()
    minted = _issuer(aws).mint(secret, "op-2", None)
    assert aws.asked[-1] != spent
    assert minted.value["password"].get_secret_value() == aws.target.password


def test_another_rotation_in_between_is_not_taken_for_ours(aws: RotatingAws, secret: str) -> None:
    issuer, sdk = _issuer(aws), aws.real.writer("secretsmanager")
    issuer._sleep = lambda _seconds: sdk.put_secret_value(SecretId=secret, SecretString=json.dumps(_FIRST))
    with pytest.raises(SlotOccupiedError):
        issuer.mint(secret, "op-1", None)


def test_secret_without_function_or_value_says_what_is_missing(aws: RotatingAws, secret: str) -> None:
    aws.function = ""
    with pytest.raises(ConfigurationError, match="no rotation function"):
        _issuer(aws).mint(secret, "op-1", None)
    aws.real.writer("secretsmanager").create_secret(Name=f"{secret}-empty")
    assert _issuer(aws).list(f"{secret}-empty").credentials == ()
    assert _issuer(aws).read_back(f"{secret}-empty") is NotReported.UNKNOWN
    with pytest.raises(ConfigurationError, match="no value"):
        _issuer(aws).mint(f"{secret}-empty", "op-1", None)


def test_function_that_nobody_approved_is_not_started(aws: RotatingAws, secret: str) -> None:
    aws.function = ARN.replace("rotate-one", "send-it-elsewhere")
    with pytest.raises(ConfigurationError, match="nobody approved"):
        _issuer(aws).mint(secret, "op-1", None)
    assert aws.asked == []


@pytest.mark.parametrize("text", ["plain text", "[1]", '{"a": {"b": "c"}}', '{"a": null}'])
def test_value_of_another_shape_is_refused_unprinted(aws: RotatingAws, secret: str, text: str) -> None:
    aws.real.writer("secretsmanager").put_secret_value(SecretId=secret, SecretString=text)
    with pytest.raises(RemoteServiceError, match="flat JSON") as caught:
        _issuer(aws).list(secret)
    assert text not in str(caught.value)


def test_nothing_is_ended_here(aws: RotatingAws, secret: str) -> None:
    issuer = _issuer(aws)
    (current,) = issuer.list(secret).ids()
    with pytest.raises(RemoteServiceError, match="ends nothing"):
        issuer.revoke(secret, current)
    issuer.mint(secret, "op-1", None)
    with pytest.raises(NotFoundError):
        issuer.revoke(secret, current)
    with pytest.raises(RemoteServiceError):
        issuer.set_enabled(secret, current, False)
    assert issuer.last_used(secret, current) is NotReported.UNKNOWN


def test_login_and_network_have_their_own_errors(double: Double, secret: str) -> None:
    wrong = _issuer(double.aws(secret_access_key=SecretText("wrong-login")))
    with pytest.raises(AuthenticationError) as caught:
        wrong.mint(secret, "op-1", None)
    assert "wrong-login" not in f"{caught.value!r} {caught.value.remedy}"
    closed = Double(url=f"http://127.0.0.1:{free_port()}", bootstrap=double.bootstrap)
    with pytest.raises(UnreachableError):
        _issuer(closed.aws()).mint(secret, "op-1", None)
    with pytest.raises(NotFoundError):
        _issuer(double.aws()).list(f"{secret}-absent")

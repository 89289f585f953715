"""What a failed command means: by whose fault, with which remedy and exit code."""

import pytest

from lifecycle.domain.errors import (
    AuthenticationError,
    BusyError,
    ConfigurationError,
    ExitCode,
    InterruptedRunError,
    LifecycleError,
    RemoteServiceError,
    UnreachableError,
    UnsafePlanError,
)
from lifecycle.terraform_cli.events import Diagnostic
from lifecycle.terraform_cli.failures import ApplyStoppedError, Failure, StateLockedError, error_of, stopped

_LOCK = """Error message: operation error S3: PutObject, https response error StatusCode: 412, RequestID: 17A,
HostID: 9,
api error PreconditionFailed: At least one of the preconditions you specified did not hold.
Lock Info:
  ID:        9d038491-fa3b-e1a6-14f2-aab401510d23
  Path:      acme-tfstate/prod.tfstate
  Operation: OperationTypeApply
  Who:       deploy@ci-7
  Version:   1.11.4
  Created:   2026-11-24 15:36:22.26815685 +0000 UTC
  Info:
"""


def _failure(summary: str, detail: str = "", *, command: str = "plan", **more: object) -> Failure:
    diagnostic = Diagnostic(severity="error", summary=summary, detail=detail)
    return Failure(what="terraform of prod", command=command, diagnostics=[diagnostic], **more)  # type: ignore[arg-type]  # a test's shorthand


@pytest.mark.parametrize(
    ("summary", "detail", "kind"),
    [
        ("Saved plan is stale", "", UnsafePlanError),
        ("Can't change variable when applying a saved plan", "", UnsafePlanError),
        ("AWS account ID not allowed: 210987654321", "", UnsafePlanError),
        ("No value for required variable", "", ConfigurationError),
        ("Missing", 'The variable "token" was set during the plan phase, and so must also be set', ConfigurationError),
        ("Unsupported Terraform Core version", "", ConfigurationError),
        (
            "Failed to query available provider packages",
            "could not connect: dial tcp: no such host",
            ConfigurationError,
        ),
        ("Inconsistent dependency lock file", "", ConfigurationError),
        ("Failed to install provider", "doesn't match any of the checksums previously recorded", ConfigurationError),
        ("Error", 'S3 bucket "acme" does not exist.', UnreachableError),
        ("Error", "NoSuchBucket: The specified bucket does not exist", UnreachableError),
        ("No valid credential sources found", "", AuthenticationError),
        ("Error", "api error InvalidClientTokenId: The security token is invalid", AuthenticationError),
        (
            "Error",
            "https response error StatusCode: 403, RequestID: 1, HostID: 2, api error Forbidden",
            AuthenticationError,
        ),
        ("Error", "dial tcp 10.0.0.1:443: connect: connection refused", UnreachableError),
        ("Error", "tls: failed to verify certificate: x509: certificate signed by unknown authority", UnreachableError),
        ("Error", "operation error EC2: DescribeVpcs, StatusCode: 500", RemoteServiceError),
        ("Reference to undeclared resource", "", ConfigurationError),
    ],
)
def test_the_texts_of_a_failed_plan(summary: str, detail: str, kind: type[LifecycleError]) -> None:
    error = error_of(_failure(summary, detail))
    assert type(error) is kind
    assert error.remedy


def test_wrapped_texts_are_recognised() -> None:
    assert isinstance(error_of(_failure("Error", 'S3 bucket\n"acme" does\nnot exist')), UnreachableError)


def test_a_held_lock_names_its_holder_and_no_other_id() -> None:
    error = error_of(_failure("Error acquiring the state lock", _LOCK))
    assert isinstance(error, StateLockedError)
    assert isinstance(error, BusyError)
    assert error.lock.id == "9d038491-fa3b-e1a6-14f2-aab401510d23"
    assert "Apply by deploy@ci-7" in error.message
    assert error.remedy.endswith("lifecycle unlock 9d038491-fa3b-e1a6-14f2-aab401510d23")


def test_an_error_after_the_first_change_is_the_remotes_whatever_its_text() -> None:
    failure = _failure(
        "AccessDenied", command="apply", done=("a.b",), started=("a.b", "c.d"), planned=("a.b", "c.d", "e.f")
    )
    error = error_of(failure)
    assert isinstance(error, ApplyStoppedError)
    assert error.exit_code is ExitCode.REMOTE
    assert (error.done, error.open) == (("a.b",), ("c.d", "e.f"))
    assert "Done: a.b. Not done: c.d, e.f" in error.message


def test_long_lists_are_cut_in_the_message_and_kept_in_the_error() -> None:
    planned = tuple(f"a.r{number}" for number in range(40))
    error = error_of(_failure("Error", command="apply", started=planned[:1], planned=planned))
    assert isinstance(error, ApplyStoppedError)
    assert "and 30 more" in error.message
    assert len(error.open) == 40


def test_request_ids_are_left_out() -> None:
    error = error_of(_failure("Error", "StatusCode: 403, RequestID: ABC123, HostID: XYZ, api error AccessDenied"))
    assert "ABC123" not in error.message
    assert "XYZ" not in error.message


def test_where_the_state_is_stands_in_errors_about_reaching_it() -> None:
    error = error_of(_failure("Error", "connection refused", state="s3://acme/prod"))
    assert "s3://acme/prod" in error.message


def test_a_run_that_somebody_killed_is_no_configuration_error() -> None:
    failure = Failure(what="terraform plan", command="plan", diagnostics=[], signal=9)
    error = error_of(failure)
    assert isinstance(error, RemoteServiceError)
    assert "killed by signal 9" in error.message


@pytest.mark.parametrize(("timed_out", "kind"), [(True, RemoteServiceError), (False, InterruptedRunError)])
@pytest.mark.parametrize("killed", [True, False])
def test_a_run_that_we_stopped_says_what_is_left(timed_out: bool, kind: type[LifecycleError], killed: bool) -> None:
    failure = _failure("x", command="apply", done=("a.b",), started=("a.b",), planned=("a.b", "c.d"))
    error = stopped(failure, timed_out=timed_out, killed=killed)
    assert type(error) is kind
    assert "1 of 2 changes done; not done: c.d" in error.message
    assert ("had to be killed" in error.remedy) is killed

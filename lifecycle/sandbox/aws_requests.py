"""What the strict shim reads from an AWS request, and how each AWS protocol says that a key is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


class Protocol(StrEnum):
    """How a service words its errors."""

    JSON = "json"
    QUERY = "query"
    EC2 = "ec2"
    S3 = "s3"


class Refusal(StrEnum):
    """Why a request is refused before it reaches a service."""

    UNSIGNED = "unsigned"
    INACTIVE_KEY = "inactive key"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsCaller:
    """The signed part of a request: whose key, and for which service."""

    access_key_id: str
    service: str


def caller_of(environ: WSGIEnvironment) -> AwsCaller | None:
    """Read the SigV4 header; None for unsigned and presigned requests."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return AwsCaller(access_key_id=match[1], service=match[3].lower()) if match else None


def protocol_of(environ: WSGIEnvironment, service: str | None) -> Protocol:
    """Which family of error texts the caller's SDK expects."""
    if environ.get("HTTP_X_AMZ_TARGET"):
        return Protocol.JSON
    if service == "ec2":
        return Protocol.EC2
    form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
    if service == "s3" or (service is None and not form):
        return Protocol.S3
    return Protocol.QUERY


# Source: the services' API references, "Common Errors"; S3 "Error Responses"; EC2 "Error codes".
_ANSWERS: Mapping[tuple[Protocol, Refusal], tuple[int, str, str]] = {
    (Protocol.JSON, Refusal.UNSIGNED): (400, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    (Protocol.JSON, Refusal.INACTIVE_KEY): (
        400,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    (Protocol.QUERY, Refusal.UNSIGNED): (
        403,
        "MissingAuthenticationToken",
        "Request is missing Authentication Token",
    ),
    (Protocol.QUERY, Refusal.INACTIVE_KEY): (
        403,
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
    ),
    (Protocol.EC2, Refusal.UNSIGNED): (
        400,
        "MissingParameter",
        "The request must contain the parameter AWSAccessKeyId",
    ),
    (Protocol.EC2, Refusal.INACTIVE_KEY): (
        401,
        "AuthFailure",
        "AWS was not able to validate the provided access credentials",
    ),
    (Protocol.S3, Refusal.UNSIGNED): (403, "AccessDenied", "Access Denied"),
    (Protocol.S3, Refusal.INACTIVE_KEY): (
        403,
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReply:
    """An answer as bytes, ready for WSGI."""

    status: int
    content_type: str
    body: bytes


def refusal_reply(protocol: Protocol, refusal: Refusal) -> RawReply:
    """The answer of the real service to such a request."""
    status, code, message = _ANSWERS[protocol, refusal]
    if protocol is Protocol.JSON:
        return json_error(status, code, message)
    text, code = escape(message), escape(code)
    error = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
    body = {
        Protocol.S3: error,
        Protocol.EC2: f"<Response><Errors>{error}</Errors></Response>",
        Protocol.QUERY: f"<ErrorResponse>{error}</ErrorResponse>",
    }[protocol]
    return RawReply(
        status=status, content_type="application/xml", body=f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode()
    )


def json_error(status: int, code: str, message: str) -> RawReply:
    """An error of a JSON service."""
    body = json.dumps({"__type": code, "message": message}).encode()
    return RawReply(status=status, content_type="application/x-amz-json-1.1", body=body)


# moto words refusals of JSON services in XML, which the SDKs cannot read; AWS answers like this.
_TRANSLATED: Mapping[str, str] = {
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "AccessDenied": "AccessDeniedException",
}
_XML_ERROR = re.compile(rb"<Code>([^<]+)</Code>\s*<Message>([^<]*)</Message>")


def translate_denial(body: bytes) -> RawReply | None:
    """Turn moto's XML refusal into the JSON one of AWS; None when it is something else."""
    match = _XML_ERROR.search(body)
    code = _TRANSLATED.get(match[1].decode()) if match else None
    return json_error(400, code, match[2].decode()) if match and code else None

"""The part of the SARIF 2.1.0 schema that our files use, strict: what is not named here must not stand in them.

Source: docs.oasis-open.org/sarif/sarif/v2.1.0, sections 3.13 (log) to 3.58 (notification).
"""

from typing import Any

_TEXT = {"type": "string", "minLength": 1}
_MESSAGE: dict[str, Any] = {
    "type": "object",
    "properties": {"text": _TEXT},
    "required": ["text"],
    "additionalProperties": False,
}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_BAG = {"type": "object", "properties": {"tags": {"type": "array", "items": _TEXT, "uniqueItems": True}}}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_RULE = _object(
    {
        "id": _TEXT,
        "shortDescription": _MESSAGE,
        "fullDescription": _MESSAGE,
        "help": _MESSAGE,
        "defaultConfiguration": _object({"level": _LEVEL}),
        "properties": _BAG,
    },
    "id",
)
_LOCATION = _object(
    {
        "physicalLocation": _object(
            {
                "artifactLocation": _object({"uri": {"type": "string", "pattern": r"^[^ \\]+$"}, "uriBaseId": _TEXT}),
                "region": _object(
                    {
                        "startLine": {"type": "integer", "minimum": 1},
                        "startColumn": {"type": "integer", "minimum": 1},
                    }
                ),
            },
            "artifactLocation",
        ),
        "logicalLocations": {"type": "array", "uniqueItems": True, "items": _object({"fullyQualifiedName": _TEXT})},
    }
)
_RESULT = _object(
    {
        "ruleId": _TEXT,
        "ruleIndex": {"type": "integer", "minimum": -1},
        "level": _LEVEL,
        "message": _MESSAGE,
        "locations": {"type": "array", "items": _LOCATION, "minItems": 1},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
        "suppressions": {
            "type": "array",
            "uniqueItems": True,
            "items": _object(
                {
                    "kind": {"enum": ["inSource", "external"]},
                    "status": {"enum": ["accepted", "underReview", "rejected"]},
                    "justification": _TEXT,
                },
                "kind",
            ),
        },
        "properties": _BAG,
    },
    "message",
)
_INVOCATION = _object(
    {
        "executionSuccessful": {"type": "boolean"},
        "toolExecutionNotifications": {
            "type": "array",
            "items": _object({"level": _LEVEL, "message": _MESSAGE}, "message"),
        },
    },
    "executionSuccessful",
)
_DRIVER = _object(
    {"name": _TEXT, "version": _TEXT, "rules": {"type": "array", "items": _RULE, "uniqueItems": True}}, "name"
)
_RUN = _object(
    {
        "tool": _object({"driver": _DRIVER}, "driver"),
        "invocations": {"type": "array", "items": _INVOCATION},
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "originalUriBaseIds": {
            "type": "object",
            "additionalProperties": _object({"description": _MESSAGE}),
        },
        "results": {"type": "array", "items": _RESULT},
        "properties": _BAG,
    },
    "tool",
)
SARIF = _object(
    {"$schema": {"type": "string"}, "version": {"const": "2.1.0"}, "runs": {"type": "array", "items": _RUN}},
    "version",
    "runs",
)

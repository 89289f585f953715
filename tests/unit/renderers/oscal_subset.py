"""The part of the OSCAL 1.1.2 assessment-results schema that our files use, strict: nothing else may stand in them.

Source: github.com/usnistgov/OSCAL, release 1.1.2, oscal_assessment-results_schema.json. `\\p{L}` and `\\p{N}` of its
token pattern are narrowed to ASCII, which Python's `re` knows.
"""

from typing import Any

_TEXT = {"type": "string", "pattern": r"^\S(.*\S)?$"}
_MARKUP = {"type": "string", "minLength": 1}
_TOKEN = {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9._-]*$"}
_UUID = {
    "type": "string",
    "pattern": r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[45][0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}$",
}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
_REFERENCE = {"type": "string", "format": "uri-reference"}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": items}


_PROPS = _list(_object({"name": _TOKEN, "ns": {"type": "string", "format": "uri"}, "value": _TEXT}, "name", "value"))
_METADATA = _object(
    {"title": _MARKUP, "last-modified": _TIME, "version": _TEXT, "oscal-version": _TEXT},
    "title",
    "last-modified",
    "version",
    "oscal-version",
)
_SELECTION = _object(
    {"description": _MARKUP, "include-controls": _list(_object({"control-id": _TOKEN}, "control-id"))},
)
_OBSERVATION = _object(
    {
        "uuid": _UUID,
        "title": _MARKUP,
        "description": _MARKUP,
        "props": _PROPS,
        "methods": _list(_TEXT),
        "collected": _TIME,
        "remarks": _MARKUP,
    },
    "uuid",
    "description",
    "methods",
    "collected",
)
_TARGET = _object(
    {
        "type": {"enum": ["statement-id", "objective-id"]},
        "target-id": _TOKEN,
        "status": _object({"state": {"enum": ["satisfied", "not-satisfied"]}}, "state"),
        "remarks": _MARKUP,
    },
    "type",
    "target-id",
    "status",
)
_FINDING = _object(
    {
        "uuid": _UUID,
        "title": _MARKUP,
        "description": _MARKUP,
        "target": _TARGET,
        "related-observations": _list(_object({"observation-uuid": _UUID}, "observation-uuid")),
    },
    "uuid",
    "title",
    "description",
    "target",
)
_ENTRY = _object({"uuid": _UUID, "title": _MARKUP, "start": _TIME, "props": _PROPS}, "uuid", "start")
_RESULT = _object(
    {
        "uuid": _UUID,
        "title": _MARKUP,
        "description": _MARKUP,
        "start": _TIME,
        "end": _TIME,
        "props": _PROPS,
        "reviewed-controls": _object({"control-selections": _list(_SELECTION)}, "control-selections"),
        "observations": _list(_OBSERVATION),
        "findings": _list(_FINDING),
        "assessment-log": _object({"entries": _list(_ENTRY)}, "entries"),
    },
    "uuid",
    "title",
    "description",
    "start",
    "reviewed-controls",
)
OSCAL_SUBSET = _object(
    {
        "assessment-results": _object(
            {
                "uuid": _UUID,
                "metadata": _METADATA,
                "import-ap": _object(
                    {"href": {"type": "string", "format": "uri-reference"}, "remarks": _MARKUP}, "href"
                ),
                "results": _list(_RESULT),
            },
            "uuid",
            "metadata",
            "import-ap",
            "results",
        )
    },
    "assessment-results",
)

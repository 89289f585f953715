"""The published, dated lists that an allowlist may include, shipped as package data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from lifecycle.domain.allowlist import DataSet
from lifecycle.domain.spec import AllowlistEntry


@cache
def published_networks() -> Mapping[str, DataSet]:
    """Every shipped data set by name: `datarobot/eu` (hosts to reach), `datarobot/eu/ingress` (its own addresses)."""
    document = json.loads((files("lifecycle.renderers") / "data" / "datarobot_network.json").read_bytes())
    return {name: _data_set(name, content, document) for name, content in document["sets"].items()}


def _data_set(name: str, content: Mapping[str, Any], document: Mapping[str, Any]) -> DataSet:
    reason = f"published by DataRobot, {document['dated']}"
    hosts = (AllowlistEntry(host=host, reason=reason) for host in content.get("hosts", ()))
    addresses = (AllowlistEntry(cidr=f"{address}/32", reason=reason) for address in content.get("addresses", ()))
    return DataSet(
        name=name,
        source=document["source"],
        dated=date.fromisoformat(document["dated"]),
        entries=(*hosts, *addresses),
    )

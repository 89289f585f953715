"""Fills a Feast repository in the working directory: one feature view, and the features of customer 1001.

Run by the interpreter of the server's own virtual environment: `python repository.py`. The folder has its
`feature_store.yaml` already.
"""

from datetime import UTC, datetime, timedelta

import pandas  # type: ignore[import-untyped, unused-ignore]  # it lies in the server's own environment
from feast import (  # type: ignore[import-not-found, unused-ignore]  # as above
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    ValueType,
)
from feast.types import Float32, Int64, String  # type: ignore[import-not-found, unused-ignore]  # as above

_ROWS = {"customer_id": [1001], "orders": [7], "rating": [4.5], "tier": ["gold"]}


def main() -> None:
    """Apply the definitions, then write one row to the online store."""
    rows = pandas.DataFrame({**_ROWS, "at": [datetime.now(UTC)]})
    rows.to_parquet("customers.parquet")
    customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.INT64)
    view = FeatureView(
        name="customer_stats",
        entities=[customer],
        ttl=timedelta(days=1),
        schema=[
            Field(name="orders", dtype=Int64),
            Field(name="rating", dtype=Float32),
            Field(name="tier", dtype=String),
        ],
        source=FileSource(name="customers", path="customers.parquet", timestamp_field="at"),
        online=True,
    )
    store = FeatureStore(".")
    store.apply([customer, view])
    store.write_to_online_store("customer_stats", rows)


if __name__ == "__main__":
    main()

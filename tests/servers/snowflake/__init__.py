"""Snowflake for tests: fakesnow's SQL behind a gate that checks logins as Snowflake does."""

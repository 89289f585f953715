"""The tests of lifecycle; a package so that `tests.servers` can be imported."""

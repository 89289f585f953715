"""How the real servers behind the tests are provisioned and started."""

"""Finding a running sandbox loads nothing heavy."""

import subprocess
import sys

HEAVY = {"boto3", "botocore", "flask", "werkzeug", "moto", "httpx", "requests", "hvac", "cryptography"}


def test_the_instance_module_loads_no_server_or_sdk() -> None:
    code = "import sys, lifecycle.sandbox.instance; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert HEAVY & {name.partition(".")[0] for name in loaded} == set()


def test_the_server_modules_load_their_frameworks_late() -> None:
    modules = "moto_server, oauth_server, datarobot_api, strict_secrets, aws_resources"
    code = f"import sys; from lifecycle.sandbox import {modules}; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert HEAVY & {name.partition(".")[0] for name in loaded} == set()

"""The AWS emulator as a process of its own: `python -m lifecycle.sandbox.moto_server --state DIR`.

moto in memory (a restart is a new instance), seeded, with IAM enforced from the first request on, behind `strict_aws`.
An IAM user or role can do exactly what its policies say as far as moto evaluates them: actions and wildcards for every
service, resources for S3 and assumed roles; conditions are not evaluated.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from lifecycle.sandbox.aws_resources import is_inactive, seed_administrator, seed_buckets, seed_network
from lifecycle.sandbox.control import Control
from lifecycle.sandbox.server_process import ServerContext, quiet_handler, run_server
from lifecycle.sandbox.strict_aws import StrictAws
from lifecycle.sandbox.wsgi import chain

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from werkzeug.serving import WSGIRequestHandler

NAME = "aws"
_log = logging.getLogger(__name__)


def build(context: ServerContext) -> WSGIApplication:
    """Seed moto, switch IAM on and put the shim and the control pages in front."""
    from moto import settings
    from moto.core.config import default_user_config
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from lifecycle.sandbox import strict_secrets

    strict_secrets.install()
    default_user_config["lambda"]["use_docker"] = False
    seed_administrator(context.bootstrap.aws)
    seed_buckets()
    seeded = threading.Event()
    threading.Thread(target=_seed_slowly, args=(seeded,), daemon=True).start()
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    token = context.bootstrap.control_token
    return chain(
        DomainDispatcherApplication(create_backend_app),
        lambda app: Control(app, name=NAME, instance_id=context.bootstrap.instance_id, token=token),
        lambda app: StrictAws(app, is_inactive=is_inactive, control_token=token, seeded=seeded),
    )


def _seed_slowly(seeded: threading.Event) -> None:
    try:
        seed_network()
    except Exception:  # a half-seeded emulator must not look healthy for ever: requests are let through and fail
        _log.exception("The network could not be seeded.")
    finally:
        seeded.set()


def _handler() -> type[WSGIRequestHandler]:
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    return quiet_handler(MotoRequestHandler)


def main() -> int:
    """Entry of the process."""
    return run_server(NAME, build, handler=_handler)


if __name__ == "__main__":
    raise SystemExit(main())

"""A wrapper for any adapter: nothing but our own errors comes out, and no known value in their text.

Adapters translate what they expect. This is the net below them: an SDK error that nobody expected may carry a request
or response body in its text, so only its class survives.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from lifecycle.domain.errors import ConfigurationError, LifecycleError, RemoteServiceError
from lifecycle.foundation.known_secrets import KnownSecrets

T = TypeVar("T")


def sanitised(adapter: T, *, what: str, known: KnownSecrets) -> T:
    """Wrap an adapter.

    Args:
        adapter: fulfils some port.
        what: names it in messages, e.g. `issuer aws_iam_access_key`.
        known: receives every value that goes in or comes out, and cleans error texts.
    """
    # The wrapper answers every attribute that the adapter has: for callers it is a T.
    return cast(T, _Sanitised(adapter, what, known))


class _Sanitised:
    __slots__ = ("_adapter", "_known", "_what")

    def __init__(self, adapter: Any, what: str, known: KnownSecrets) -> None:
        self._adapter = adapter
        self._what = what
        self._known = known

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._adapter, name)
        return self._guarded(name, attribute) if callable(attribute) else attribute

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._guarded("call", self._adapter)(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self._what}>"

    def _guarded(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method, assigned=("__name__", "__doc__"))
        def call(*args: Any, **kwargs: Any) -> Any:
            self._known.register_within((args, kwargs))
            try:
                result = method(*args, **kwargs)
            except LifecycleError as error:
                raise _scrubbed(error, self._known) from None
            except Exception as error:
                raise _foreign(error, self._what, name) from None
            self._known.register_within(result)
            return result

        return call


def _scrubbed(error: LifecycleError, known: KnownSecrets) -> LifecycleError:
    """The same error, cleaned in place: its class and fields decide what the caller does, so they must survive."""
    error.message = known.scrub(error.message)
    error.remedy = known.scrub(error.remedy)
    error.args = (error.message,)
    error.__cause__ = None
    error.__context__ = None
    return error


def _foreign(error: Exception, what: str, method: str) -> LifecycleError:
    kind = type(error).__name__
    if isinstance(error, ImportError):
        missing = f" ({error.name})" if error.name else ""
        return ConfigurationError(
            f"{what} needs a package that is not installed{missing}",
            remedy="install the extra that brings it, e.g. pip install 'lifecycle[sandbox]'",
        )
    return RemoteServiceError(
        f"{what}: {method} failed with an unexpected {kind}",
        remedy="look at the service's own log for this moment; report this message if the service was healthy",
    )

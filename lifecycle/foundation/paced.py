"""A wrapper for an issuer: each change waits for its turn in the provider's quota; a broken provider is left alone.

Reading is not counted: a listing is what resolves a lost answer. What a provider asks for with 429 holds up everybody
who shares the bucket, not only the one that was told.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from lifecycle.domain.errors import AmbiguousEffectError, RemoteServiceError, UnreachableError
from lifecycle.foundation.breaker import Breaker
from lifecycle.foundation.rate_budget import RateBudget

T = TypeVar("T")


def paced(adapter: T, *, what: str, budget: RateBudget, breaker: Breaker, changes: Iterable[str]) -> T:
    """Wrap an adapter.

    Args:
        adapter: fulfils some port.
        what: names the provider in messages.
        budget: shared by everybody who uses the same quota.
        breaker: shared by everybody who uses the same installation.
        changes: names of the methods that count.
    """
    # The wrapper answers every attribute that the adapter has: for callers it is a T.
    return cast(T, _Paced(adapter, what, budget, breaker, frozenset(changes)))


class _Paced:
    __slots__ = ("_adapter", "_breaker", "_budget", "_changes", "_what")

    def __init__(self, adapter: Any, what: str, budget: RateBudget, breaker: Breaker, changes: frozenset[str]) -> None:
        self._adapter = adapter
        self._what = what
        self._budget = budget
        self._breaker = breaker
        self._changes = changes

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._adapter, name)
        return self._turned(attribute) if name in self._changes else attribute

    def _turned(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method, assigned=("__name__", "__doc__"))
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._breaker.admits():
                raise UnreachableError(
                    f"{self._what} keeps failing and is left alone for a while; nothing was sent",
                    remedy="see what the first failures say; the next run tries again",
                )
            self._budget.take()
            try:
                result = method(*args, **kwargs)
            except Exception as error:
                self._breaker.record(reached=not _failing(error))
                if isinstance(error, RemoteServiceError) and error.retry_after is not None:
                    self._budget.pause(error.retry_after)
                raise
            self._breaker.record(reached=True)
            return result

        return call


def _failing(error: Exception) -> bool:
    """Whether the provider did not work; a refusal is an answer."""
    if isinstance(error, AmbiguousEffectError | UnreachableError):
        return True
    return isinstance(error, RemoteServiceError) and error.retryable and error.retry_after is None

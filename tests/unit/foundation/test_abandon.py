import threading
from datetime import timedelta

import pytest

from lifecycle.foundation.abandon import abandonable

LONG = timedelta(seconds=20)


def test_gives_the_result_or_raises_what_was_raised() -> None:
    assert abandonable(lambda: 7, timeout=LONG, name="quick") == 7
    with pytest.raises(KeyError):
        abandonable(lambda: dict[str, int]()["absent"], timeout=LONG, name="failing")


def test_what_hangs_is_left_behind_on_a_thread_nobody_waits_for() -> None:
    release = threading.Event()
    with pytest.raises(TimeoutError, match="resolving x"):
        abandonable(lambda: release.wait(60), timeout=timedelta(milliseconds=50), name="resolving x")
    (left,) = [thread for thread in threading.enumerate() if thread.name == "resolving x"]
    assert left.daemon
    release.set()

"""What the forward proxies let through: a real CONNECT, ended by a real https server."""

import httpx
import pytest

from tests.servers.forward_proxy import BasicAuth, ForwardProxy, StartForwardProxy
from tests.servers.https_target import HttpsTarget


def refusal(proxy: ForwardProxy, target: HttpsTarget, name: str) -> str:
    """The status with which `proxy` refuses to connect."""
    seen = len(target.seen)
    with pytest.raises(httpx.ProxyError) as refused:
        proxy.get(target, name)
    assert len(target.seen) == seen
    return str(refused.value)[:3]


# squid


def test_squid_lets_through_what_is_listed_and_nothing_else(
    squid_proxy: StartForwardProxy, https_target: HttpsTarget
) -> None:
    proxy = squid_proxy(allow=["allowed.target.test"], ports=[https_target.port])
    assert proxy.get(https_target, "allowed.target.test").text == "reached"
    assert refusal(proxy, https_target, "denied.target.test") == "403"
    assert refusal(proxy, https_target, "a.allowed.target.test") == "403"
    assert refusal(proxy, https_target, "127.0.0.1") == "403"


def test_squid_refuses_an_allowed_name_on_another_port(
    squid_proxy: StartForwardProxy, https_target: HttpsTarget
) -> None:
    proxy = squid_proxy(allow=["allowed.target.test"], ports=[https_target.port + 1])
    assert refusal(proxy, https_target, "allowed.target.test") == "403"


def test_squid_applies_a_new_list_without_a_restart(squid_proxy: StartForwardProxy, https_target: HttpsTarget) -> None:
    proxy = squid_proxy(allow=["allowed.target.test"], ports=[https_target.port])
    proxy.replace_allowlist([".allowed.target.test"])
    assert proxy.get(https_target, "a.allowed.target.test").text == "reached"
    proxy.replace_allowlist(["also-allowed.target.test"])
    assert proxy.get(https_target, "also-allowed.target.test").text == "reached"
    assert refusal(proxy, https_target, "allowed.target.test") == "403"


def test_squid_asks_for_the_password(squid_proxy: StartForwardProxy, https_target: HttpsTarget) -> None:
    auth = BasicAuth(user="agent", password="p@ss word")
    proxy = squid_proxy(allow=["allowed.target.test"], ports=[https_target.port], auth=auth)
    assert proxy.get(https_target, "allowed.target.test").text == "reached"
    proxy.auth = BasicAuth(user="agent", password="wrong")
    assert refusal(proxy, https_target, "allowed.target.test") == "407"
    proxy.auth = None
    assert refusal(proxy, https_target, "allowed.target.test") == "407"


# tinyproxy


def test_tinyproxy_lets_through_what_is_listed_and_nothing_else(
    tinyproxy: StartForwardProxy, https_target: HttpsTarget
) -> None:
    proxy = tinyproxy(allow=["localhost"], ports=[https_target.port])
    assert proxy.get(https_target, "localhost").text == "reached"
    assert refusal(proxy, https_target, "denied.target.test") == "403"
    assert refusal(proxy, https_target, "127.0.0.1") == "403"


def test_tinyproxy_applies_a_new_list_without_a_restart(
    tinyproxy: StartForwardProxy, https_target: HttpsTarget
) -> None:
    proxy = tinyproxy(allow=["localhost"], ports=[https_target.port])
    proxy.replace_allowlist(["127.0.0.1"])
    assert proxy.get(https_target, "127.0.0.1").text == "reached"
    assert refusal(proxy, https_target, "localhost") == "403"


def test_tinyproxy_asks_for_the_password(tinyproxy: StartForwardProxy, https_target: HttpsTarget) -> None:
    proxy = tinyproxy(allow=["localhost"], ports=[https_target.port], auth=BasicAuth(user="agent", password="right"))
    assert proxy.get(https_target, "localhost").text == "reached"
    proxy.auth = BasicAuth(user="agent", password="wrong")
    assert refusal(proxy, https_target, "localhost") in ("401", "407")


# Envoy


def test_envoy_lets_through_what_is_listed_and_nothing_else(
    envoy_proxy: StartForwardProxy, https_target: HttpsTarget
) -> None:
    proxy = envoy_proxy(allow=["allowed.target.test", "*.allowed.target.test"], ports=[https_target.port])
    assert proxy.get(https_target, "allowed.target.test").text == "reached"
    assert proxy.get(https_target, "a.allowed.target.test").text == "reached"
    assert refusal(proxy, https_target, "denied.target.test") == "404"
    assert refusal(proxy, https_target, "127.0.0.1") == "404"


def test_envoy_wildcard_leaves_out_the_name_itself(envoy_proxy: StartForwardProxy, https_target: HttpsTarget) -> None:
    proxy = envoy_proxy(allow=["*.allowed.target.test"], ports=[https_target.port])
    assert refusal(proxy, https_target, "allowed.target.test") == "404"


def test_envoy_with_no_name_lets_nothing_through(envoy_proxy: StartForwardProxy, https_target: HttpsTarget) -> None:
    proxy = envoy_proxy(allow=[], ports=[https_target.port])
    assert refusal(proxy, https_target, "allowed.target.test") == "404"
    proxy.replace_allowlist(["allowed.target.test"])
    assert proxy.get(https_target, "allowed.target.test").text == "reached"


def test_envoy_answers_503_for_an_allowed_name_that_does_not_resolve(
    envoy_proxy: StartForwardProxy, https_target: HttpsTarget
) -> None:
    proxy = envoy_proxy(allow=["unknown.target.test"], ports=[https_target.port])
    assert refusal(proxy, https_target, "unknown.target.test") == "503"

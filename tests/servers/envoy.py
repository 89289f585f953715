"""Envoy as forward proxy with an allowlist, one process per call."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.servers.environment import minimal_environment
from tests.servers.forward_proxy import BasicAuth, ForwardProxy, StartForwardProxy
from tests.servers.process import ServerProcess, start_on_free_port, start_process, wait_for_tcp
from tests.servers.provisioned import provisioned

_TYPES = "type.googleapis.com/envoy.extensions"
_CLUSTER = "egress"


def envoy_binary() -> Path:
    """The program that the wheel carries; `--mode validate -c FILE` checks a configuration."""
    packages = provisioned("envoy").parent.parent / "lib"
    (binary,) = packages.glob("python*/site-packages/envoy/_bin/envoy")
    return binary


def envoy_configuration(*, listen: int, allow: Sequence[str], ports: Iterable[int], dns: int) -> dict[str, Any]:
    """A forward proxy that answers CONNECT to allowed names, and 404 to everything else.

    Args:
        listen: Its port on 127.0.0.1.
        allow: Names; `*.name` stands for all below `name`, without it.
        ports: What CONNECT may ask for.
        dns: UDP port of the name server, on 127.0.0.1.

    Returns:
        A bootstrap configuration.
    """
    ports, cache = list(ports), _dns_cache(dns)
    route = {
        "match": {"connect_matcher": {}},
        "route": {"cluster": _CLUSTER, "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]},
    }
    domains = [f"{name}:{port}" for name in allow for port in ports]
    # An empty list of domains is no configuration: without names there is no virtual host, so nothing is routed.
    hosts = [{"name": "allowed", "domains": domains, "routes": [route]}] if domains else []
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "egress",
        "route_config": {"name": "allowlist", "virtual_hosts": hosts},
        "upgrade_configs": [{"upgrade_type": "CONNECT"}],
        "http_filters": [
            _typed("dynamic_forward_proxy", "filters.http.dynamic_forward_proxy.v3.FilterConfig", cache),
            _typed("router", "filters.http.router.v3.Router"),
        ],
    }
    cluster_type = _typed("dynamic_forward_proxy", "clusters.dynamic_forward_proxy.v3.ClusterConfig", cache)
    listener = {
        "name": "proxy",
        "address": _address(listen),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    cluster = {"name": _CLUSTER, "lb_policy": "CLUSTER_PROVIDED", "cluster_type": cluster_type}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _dns_cache(port: int) -> dict[str, Any]:
    """What filter and cluster share; Envoy refuses two that differ."""
    resolver = {
        "@type": f"{_TYPES}.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        "resolvers": [_address(port, protocol="UDP")],
        "dns_resolver_options": {"no_default_search_domain": True},
    }
    return {
        "name": _CLUSTER,
        "dns_lookup_family": "V4_ONLY",
        "typed_dns_resolver_config": {"name": "envoy.network.dns_resolver.cares", "typed_config": resolver},
    }


def _address(port: int, *, protocol: str = "TCP") -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port, "protocol": protocol}}


def _typed(name: str, kind: str, dns_cache: dict[str, Any] | None = None) -> dict[str, Any]:
    config: dict[str, Any] = {"@type": f"{_TYPES}.{kind}"}
    if dns_cache is not None:
        config["dns_cache_config"] = dns_cache
    return {"name": name, "typed_config": config}


def _start(folder: Path, configuration: dict[str, Any]) -> ServerProcess:
    file = folder / "envoy.json"
    file.write_text(json.dumps(configuration))
    # Hot restart would share memory between all Envoys of this machine.
    flags = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
    env = minimal_environment(folder)
    return start_process([envoy_binary(), "-c", file, *flags], log=folder / "envoy.log", env=env)


@pytest.fixture
def envoy_proxy(tmp_path: Path, dns_server: int) -> Iterator[StartForwardProxy]:
    """A function that starts Envoy: `envoy_proxy(allow=["allowed.target.test"], ports=[target.port])`.

    It reads its configuration at the start only, so `replace_allowlist` restarts it.
    """
    running: dict[Path, ServerProcess] = {}

    def wait(process: ServerProcess, port: int) -> None:
        wait_for_tcp(port, process=process, what="Envoy")

    def start(*, allow: Sequence[str], ports: Iterable[int], auth: BasicAuth | None = None) -> ForwardProxy:
        assert auth is None, "Envoy's own passwords are for servers, not for proxies"
        folder = tmp_path / f"envoy-{len(running)}"
        folder.mkdir()
        allowed_ports = tuple(ports)

        def launch(names: Sequence[str], port: int) -> ServerProcess:
            configuration = envoy_configuration(listen=port, allow=names, ports=allowed_ports, dns=dns_server)
            return _start(folder, configuration)

        def replace_allowlist(names: Sequence[str]) -> None:
            running[folder].kill()
            running[folder] = launch(names, port)
            wait(running[folder], port)

        running[folder], port = start_on_free_port(lambda port: launch(allow, port), wait)
        return ForwardProxy(port=port, log=folder / "envoy.log", replace_allowlist=replace_allowlist)

    yield start
    for process in running.values():
        process.kill()

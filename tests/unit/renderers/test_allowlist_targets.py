"""All targets admit and refuse the same hosts, whatever the allowlist: each has its own matcher of its own form."""

import ipaddress
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.domain.allowlist import DataSet, names, resolve
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import Allowlist, AllowlistEntry, HostMatch
from lifecycle.renderers.allowlists import ALLOWLIST_TARGETS, TARGETS, render_allowlist
from lifecycle.renderers.published_networks import published_networks
from tests.unit.terraform_cli.specs import PLACE, spec

_TODAY = date(2026, 11, 24)
_NAMES = sorted(name for name, target in ALLOWLIST_TARGETS.items() if target.takes_names)

_labels = st.sampled_from(["a", "b", "api", "x-1"])
_hosts = st.builds(
    lambda parts, top: ".".join([*parts, top]), st.lists(_labels, min_size=1, max_size=4), st.just("test")
)
_matches = st.sampled_from([HostMatch.EXACT, HostMatch.APEX_AND_SUBDOMAINS])


def _allowlist(*entries: AllowlistEntry, targets: tuple[str, ...] = ("squid",), **more: Any) -> Allowlist:
    given: dict[str, Any] = {"home_net": ("10.0.0.0/8",), "owner": "network", "place": PLACE}
    return Allowlist(name="egress", targets=targets, entries=entries, **(given | more))


def _host(host: str, **more: Any) -> AllowlistEntry:
    return AllowlistEntry(**({"host": host, "reason": "needed"} | more))


def _cidr(cidr: str, **more: Any) -> AllowlistEntry:
    return AllowlistEntry(**({"cidr": cidr, "reason": "needed"} | more))


def _meant(entries: list[tuple[str, HostMatch]], host: str) -> bool:
    return any(
        (host == name and match is not HostMatch.SUBDOMAINS)
        or (host.endswith(f".{name}") and match is not HostMatch.EXACT)
        for name, match in entries
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_hosts, _matches), min_size=1, max_size=5), st.lists(_hosts, max_size=6), st.data())
def test_every_target_admits_what_the_allowlist_means_and_nothing_else(
    entries: list[tuple[str, HostMatch]], others: list[str], data: st.DataObject
) -> None:
    listed = [name for name, _ in entries]
    near = (
        [f"bad{name}" for name in listed] + [f"x.{name}" for name in listed] + [f"{name}.evil.test" for name in listed]
    )
    allowlist = _allowlist(*(_host(name, match=match) for name, match in entries))
    resolved = resolve(allowlist, {}, _TODAY)
    for host in {*listed, *near, *others, *(name.upper() for name in listed)}:
        meant = _meant(entries, host.lower())
        assert resolved.names[443].admits(host) is meant
        for name in _NAMES:
            target = ALLOWLIST_TARGETS[name]
            assert target.admits(target.render(resolved), host, 443) is meant, (name, host)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(_hosts, st.sampled_from(list(HostMatch))), min_size=1, max_size=5), st.lists(_hosts, max_size=6)
)
def test_a_target_that_cannot_say_subdomains_alone_refuses_instead_of_admitting_more(
    entries: list[tuple[str, HostMatch]], others: list[str]
) -> None:
    resolved = resolve(_allowlist(*(_host(name, match=match) for name, match in entries)), {}, _TODAY)
    for name in _NAMES:
        target = ALLOWLIST_TARGETS[name]
        try:
            rendered = target.render(resolved)
        except ConfigurationError:
            assert name == "aws_network_firewall"
            assert resolved.all_names().below_only
            continue
        for host in {*others, *(n for n, _ in entries), *(f"x.{n}" for n, _ in entries)}:
            assert target.admits(rendered, host, 443) is _meant(entries, host), (name, host)


@given(st.lists(st.tuples(_hosts, st.sampled_from(list(HostMatch))), max_size=8), _hosts)
def test_the_smallest_description_admits_the_same(entries: list[tuple[str, HostMatch]], host: str) -> None:
    small = names(entries)
    assert small.admits(host) is _meant(entries, host)
    for kept in small.exact | small.below:
        assert not any(kept.endswith(f".{wider}") for wider in small.below)


@pytest.mark.parametrize("name", [n for n in _NAMES if ALLOWLIST_TARGETS[n].knows_ports and n != "tinyproxy"])
def test_a_name_is_admitted_on_its_own_ports_only(name: str) -> None:
    resolved = resolve(_allowlist(_host("a.test"), _host("b.test", port=8443)), {}, _TODAY)
    target = ALLOWLIST_TARGETS[name]
    rendered = target.render(resolved)
    admitted = {(h, p) for h in ("a.test", "b.test") for p in (443, 8443) if target.admits(rendered, h, p)}
    assert admitted == {("a.test", 443), ("b.test", 8443)}


def test_tinyproxy_refuses_names_that_differ_by_port() -> None:
    resolved = resolve(_allowlist(_host("a.test"), _host("b.test", port=8443)), {}, _TODAY)
    with pytest.raises(ConfigurationError, match="differ by port"):
        ALLOWLIST_TARGETS["tinyproxy"].render(resolved)


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32), st.sampled_from([443, 5432])), min_size=1, max_size=5
    )
)
def test_security_group_and_squid_admit_the_same_addresses(entries: list[tuple[int, int, int]]) -> None:
    given = [(ipaddress.ip_network((number, length), strict=False), port) for number, length, port in entries]
    resolved = resolve(_allowlist(*(_cidr(str(network), port=port) for network, port in given)), {}, _TODAY)
    probes = {network.network_address for network, _ in given} | {network.broadcast_address + 1 for network, _ in given
              if int(network.broadcast_address) < 2**32 - 1}  # fmt: skip
    for address in probes:
        for port in (443, 5432):
            meant = any(address in network and port == own for network, own in given)
            for name in ("squid", "aws_security_group"):
                target = ALLOWLIST_TARGETS[name]
                assert target.admits(target.render(resolved), str(address), port) is meant, name


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (_host("*.example.com"), "wildcard"),
        (_host("https://example.com"), "not a bare name"),
        (_host("example.com:443"), "not a bare name"),
        (_host("example.com/path"), "not a bare name"),
        (_host("com"), "no fully qualified name"),
        (_host("10.1.2.3"), "is an address"),
        (_host("münchen.example"), "not ASCII"),
        (_host("-a.example.com"), "no fully qualified name"),
        (_host("a..example.com"), "no fully qualified name"),
        (_cidr("0.0.0.0/0"), "every address"),
        (_cidr("::/0"), "every address"),
        (_cidr("10.1.2.3/24"), "bits set"),
        (_cidr("ten"), "no network"),
    ],
)
def test_entries_that_no_target_could_enforce_as_meant_are_refused(entry: AllowlistEntry, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        resolve(_allowlist(_host("fine.test"), entry), {}, _TODAY)
    assert refused.value.problems[0].key_path == "allowlists.egress.entries[1]"
    assert refused.value.problems[0].place == PLACE


def test_all_wrong_entries_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        resolve(_allowlist(_host("*.a.test"), _cidr("ten"), include=("datarobot/moon",)), {}, _TODAY)
    assert len(refused.value.problems) == 3


def test_an_expired_entry_is_left_out_with_a_note_from_the_day_after() -> None:
    entry = _host("old.test", expires=date(2026, 11, 24))
    allowlist = _allowlist(_host("new.test"), entry)
    assert resolve(allowlist, {}, _TODAY).names[443].admits("old.test")
    later = resolve(allowlist, {}, date(2026, 11, 25))
    assert not later.names[443].admits("old.test")
    assert "expired on 2026-11-24" in later.notes[0]


def test_an_allowlist_whose_entries_have_all_expired_is_refused_and_never_rendered_empty() -> None:
    allowlist = _allowlist(_host("old.test", expires=date(2026, 1, 1)))
    with pytest.raises(ConfigurationError, match="every entry has expired"):
        render_allowlist(spec(), allowlist, _TODAY)


@pytest.mark.parametrize("name", [n for n in _NAMES if n != "squid"])
def test_no_name_target_gets_an_empty_list(name: str) -> None:
    allowlist = _allowlist(_cidr("10.0.0.0/8"), targets=(name, "aws_security_group"))
    with pytest.raises(ConfigurationError, match="empty list") as refused:
        render_allowlist(spec(), allowlist, _TODAY)
    assert refused.value.problems[0].place == PLACE


@pytest.mark.parametrize(
    ("entry", "target", "what"),
    [(_host("a.test"), "aws_security_group", "host names"), (_cidr("10.0.0.0/8"), "envoy", "addresses")],
)
def test_an_entry_that_none_of_the_targets_enforces_is_refused(entry: AllowlistEntry, target: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=f"enforce its {what}"):
        render_allowlist(spec(), _allowlist(entry, targets=(target,)), _TODAY)


def test_all_targets_are_rendered_together() -> None:
    targets = tuple(name for name in ALLOWLIST_TARGETS if name != "tinyproxy")
    allowlist = _allowlist(
        _host("App.Example.com."),
        _host("b.test", match=HostMatch.APEX_AND_SUBDOMAINS),
        _cidr("10.1.0.0/16", port=5432),
        targets=targets,
    )
    rendered = render_allowlist(spec(), allowlist, _TODAY)
    assert rendered.domains == (".b.test", "app.example.com")
    assert rendered.dns_domains == ("*.b.test", "app.example.com", "b.test")
    assert [(rule.cidr, rule.ports) for rule in rendered.addresses] == [("10.1.0.0/16", (5432,))]
    assert sorted(rendered.files) == ["azure_firewall.json", "envoy.json", "squid.conf"]


def test_the_squid_fragment_is_stable_and_ends_in_a_denial() -> None:
    allowlist = _allowlist(
        _host("b.test", match=HostMatch.APEX_AND_SUBDOMAINS), _host("a.b.test"), _host("a.test"),
        _host("c.test", match=HostMatch.SUBDOMAINS), _cidr("10.1.0.0/16", port=5432),
    )  # fmt: skip
    rendered = render_allowlist(spec(), allowlist, _TODAY)
    assert rendered.files["squid.conf"] == (
        "# Allowlist egress, generated from the spec: change the spec, not this file.\n"
        "acl allowlist_port_443 port 443\n"
        "acl allowlist_names_443 dstdomain -n .b.test\n"
        "acl allowlist_names_443 dstdomain -n a.test\n"
        "acl allowlist_below_443 dstdom_regex -n -i ^([^.]+\\.)+c\\.test$\n"
        "http_access allow allowlist_port_443 allowlist_names_443\n"
        "http_access allow allowlist_port_443 allowlist_below_443\n"
        "acl allowlist_address_port_5432 port 5432\n"
        "acl allowlist_addresses_5432 dst -n 10.1.0.0/16\n"
        "http_access allow allowlist_address_port_5432 allowlist_addresses_5432\n"
        "http_access deny all\n"
    )
    assert "port 443: a.b.test (exact) is covered by another entry" in rendered.notes


def test_addresses_inside_others_are_merged_per_port() -> None:
    allowlist = _allowlist(
        _cidr("10.0.0.0/8"), _cidr("10.1.0.0/16"), _cidr("10.1.0.0/16", port=22, ticket="NET-1"), _cidr("fd00::/8")
    )
    rules = resolve(allowlist, {}, _TODAY).addresses
    assert [(rule.cidr, rule.ports) for rule in rules] == [
        ("10.0.0.0/8", (443,)),
        ("10.1.0.0/16", (22,)),
        ("fd00::/8", (443,)),
    ]
    assert rules[1].description == "needed NET-1"


def test_the_published_data_set_is_dated_and_sourced() -> None:
    sets = published_networks()
    assert set(sets) >= {"datarobot/us", "datarobot/eu", "datarobot/jp"}
    assert {len(sets[f"datarobot/{r}/ingress"].entries) for r in ("us", "eu", "jp")} == {14, 12, 3}
    for data_set in sets.values():
        assert data_set.source.startswith("https://docs.datarobot.com/")
        assert data_set.dated == date(2026, 8, 30)
    resolved = resolve(_allowlist(include=("datarobot/eu",)), sets, _TODAY)
    assert resolved.names[443].admits("app.eu.datarobot.com")


def test_an_old_data_set_is_noted() -> None:
    old = DataSet(name="x", source="https://x.example", dated=date(2025, 1, 1), entries=(_host("a.test"),))
    notes = resolve(_allowlist(include=("x",)), {"x": old}, _TODAY).notes
    assert "compare it with https://x.example" in notes[0]


def test_every_target_is_a_kind() -> None:
    assert sorted(kind.name for kind in TARGETS) == sorted(ALLOWLIST_TARGETS)

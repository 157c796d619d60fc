"""Which addresses a worker may connect to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from actors.webhooks.addresses import AddressPolicy, Allowed, is_public

NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.8 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808
64:ff9b:1::7f00:1 100::1 2001::1 2001:0:7f00:1::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1
2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00::1 fe80::1 fe80::1%1 fec0::1 ff02::1 ff0e::1 4000::1
""".split()  # noqa: SIM905  # read as a table

PUBLIC = (
    "1.1.1.1 8.8.8.8 93.184.215.14 172.32.0.1 ::ffff:8.8.8.8 2606:4700::1111 2a00:1450:4001::1 2001:4860::8888".split()  # noqa: SIM905
)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_is_not_a_single_host_on_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    assert AddressPolicy(plain_http=True).refusal(ip_address(address), 80, plain=True) == "it is not a public address"


@pytest.mark.parametrize("address", PUBLIC)
def test_hosts_on_the_internet_are(address: str) -> None:
    assert is_public(ip_address(address))
    assert AddressPolicy().refusal(ip_address(address), 443, plain=False) is None


def test_ports_and_http_are_refused_unless_allowed() -> None:
    public = ip_address("8.8.8.8")
    assert AddressPolicy().refusal(public, 22, plain=False) == "port 22 is not allowed"
    assert AddressPolicy().refusal(public, 80, plain=True) == "http is not allowed: use https"
    assert AddressPolicy(plain_http=True).refusal(public, 80, plain=True) is None
    assert AddressPolicy(ports=frozenset({22})).refusal(public, 22, plain=False) is None


def test_the_allowlist_is_about_networks_and_ports() -> None:
    policy = AddressPolicy(allowed=(Allowed.parse("127.0.0.1/32:8080"), Allowed.parse("[fd00::]/8:*")))
    assert policy.refusal(ip_address("127.0.0.1"), 8080, plain=True) is None
    assert policy.refusal(ip_address("::ffff:127.0.0.1"), 8080, plain=True) is None
    assert policy.refusal(ip_address("fd00::1"), 5432, plain=False) is None
    assert policy.refusal(ip_address("127.0.0.1"), 8081, plain=True) is not None
    assert policy.refusal(ip_address("127.0.0.2"), 8080, plain=True) is not None
    assert policy.refusal(ip_address("fe80::1"), 8080, plain=True) is not None


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "127.0.0.1:80", "127.0.0.1/32", "127.0.0.1/32:0", "127.0.0.1/32:x", "10.0.0.1/8:80",
             "10.0.0.0/33:80", "localhost/8:80", "127.0.0.1/32:70000", "fd00::/8"]
)  # fmt: skip
def test_what_no_allowlist_can_say(text: str) -> None:
    with pytest.raises(ValueError, match="is not NETWORK/BITS:PORT"):
        Allowed.parse(text)


def test_a_first_look_at_a_url_asks_no_dns() -> None:
    assert AddressPolicy().refusal_by_url("hooks.example.com", 443, plain=False) is None
    assert AddressPolicy().refusal_by_url("hooks.example.com", 8443, plain=False) == "port 8443 is not allowed"
    assert AddressPolicy().refusal_by_url("hooks.example.com", 80, plain=True) == "http is not allowed: use https"
    assert AddressPolicy().refusal_by_url("[::1]", 443, plain=False) == "it is not a public address"
    allowing = AddressPolicy(allowed=(Allowed.parse("10.0.0.0/8:8080"),))
    assert allowing.refusal_by_url("intern.example.com", 8080, plain=True) is None
    assert allowing.refusal_by_url("intern.example.com", 8081, plain=True) == "port 8081 is not allowed"

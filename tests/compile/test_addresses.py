"""URLs that a gateway follows: what they lead to, and every spelling that is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick_operator.compile.address import AddressError, host_of, parse_url


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://api.example.com", (True, "api.example.com", 443, "")),
        ("https://API.Example.com:8443/v1/", (True, "api.example.com", 8443, "/v1")),
        ("http://10.0.0.7/openai/v1", (False, "10.0.0.7", 80, "/openai/v1")),
        ("https://[2001:DB8::1]/v1", (True, "2001:db8::1", 443, "/v1")),
        ("http://[::ffff:127.0.0.1]:1", (False, "127.0.0.1", 1, "")),
        ("https://a_b-c.svc", (True, "a_b-c.svc", 443, "")),
    ],
)
def test_a_url_is_taken_apart(url: str, endpoint: tuple[bool, str, int, str]) -> None:
    """Whether TLS, the host in one form, port, and the path without its last slash."""
    found = parse_url(url)

    assert (found.tls, found.host, found.port, found.path) == endpoint


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.0.1",
        "2852039166",
        "0xA9FEA9FE",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "025177524776",
        "169.254.43518",
        "169.16689662",
        "169.254.169.254.",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[::169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[2001:0:a9fe:a9fe::1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[ff02::1]",
        "[::]",
        "0.0.0.0",
        "0",
        "127.1",
        "224.0.0.1",
        "255.255.255.255",
        "100.100.100.200",
        "168.63.129.16",
        "metadata.google.internal",
        "METADATA.google.internal",
        "metadata",
        "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
        "169。254。169。254",
    ],
)
def test_no_spelling_of_a_forbidden_address_passes(host: str) -> None:
    """Link-local, metadata, unspecified and multicast addresses, however they are written."""
    with pytest.raises(AddressError) as refused:
        parse_url(f"https://{host}/v1")

    assert refused.value.cure


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "//api.example.com",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https://user@api.example.com",
        "https://user:pass@api.example.com",
        "https://@api.example.com",
        "https://api.example.com\\@evil.example",
        "https://api.example.com?key=1",
        "https://api.example.com#x",
        "https://api.example.com/v1?",
        "https://api.example.com/../v1",
        "https://api.example.com/./v1",
        "https://api.example.com//v1",
        "https://api.example.com/%2e%2e",
        "https://api.example.com:0",
        "https://api.example.com:",
        "https://api.example.com:65536",
        "https://api.example.com:8x",
        "https://api..example.com",
        "https://-a.example",
        "https://a.example.",
        "https://[1.2.3.4]",
        "https://[v1.x]",
        "https://[::1",
        "https://a b",
        "https://a\tb",
        "https://a\n.example",
        "https://exämple.com",
        "https://" + "a" * 64,
        "https://" + "a." * 127 + "example",
        "https://a/" + "x" * 3000,
    ],
)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    """Only scheme, host, port and path, each in its plain form."""
    with pytest.raises(AddressError):
        parse_url(url)


def test_a_query_passes_where_it_may() -> None:
    """Key sets are fetched from URLs with a query; providers have none."""
    assert parse_url("https://idp.example/keys?p=1", query=True).path == "/keys"


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1", True),
        ("http://127.8.9.10:1", True),
        ("http://[::1]", True),
        ("http://localhost:8080", True),
        ("http://localhost.example", False),
        ("http://127.0.0.1.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_loopback_is_what_stays_on_the_machine(url: str, *, loopback: bool) -> None:
    """127.0.0.0/8, ::1 and the name localhost alone."""
    assert parse_url(url).loopback is loopback


def test_a_host_alone_has_the_same_form() -> None:
    """What a list of allowed hosts says compares with what a URL says."""
    assert host_of("API.example") == parse_url("https://api.example").host
    assert host_of("[2001:DB8:0::1]") == parse_url("https://[2001:db8::1]").host


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Any text is an endpoint or is refused; nothing else is raised."""
    for url in (text, f"https://{text}", f"https://host/{text}"):
        try:
            endpoint = parse_url(url)
        except AddressError:
            continue

        assert endpoint.host
        assert 0 < endpoint.port < 65536

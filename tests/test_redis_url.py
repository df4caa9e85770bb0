"""URLs: what they lead to, what is refused, and that no password is shown."""

from __future__ import annotations

import pytest

from taskconsole.config import Settings, check_url, public_address
from taskconsole.errors import ConfigError
from taskconsole.redis_url import Kind, RedisUrl, secrets_in


@pytest.mark.parametrize(
    ("url", "kind", "tls", "places", "shown"),
    [
        ("redis://", Kind.SERVER, False, (("localhost", 6379),), "localhost:6379/0"),
        ("redis://u:p@[::1]:7/3", Kind.SERVER, False, (("::1", 7),), "[::1]:7/3"),
        ("rediss://:p@h?ssl_ca_certs=ca.pem", Kind.SERVER, True, (("h", 6379),), "h:6379/0"),
        ("unix://u:p@/run/r.sock?db=2", Kind.SOCKET, False, (), "/run/r.sock"),
        ("redis+sentinel://a,b:7/m/2", Kind.SENTINEL, False, (("a", 26379), ("b", 7)), "m/2 by Sentinel a:26379 +1"),
        ("rediss+sentinel://:p@a/m", Kind.SENTINEL, True, (("a", 26379),), "m/0 by Sentinel a:26379"),
        ("redis+cluster://u:p@a:1,b,c:3", Kind.CLUSTER, False, (("a", 1), ("b", 6379), ("c", 3)), "cluster a:1 +2"),
        ("rediss+cluster://a/0", Kind.CLUSTER, True, (("a", 6379),), "cluster a:6379"),
    ],
)
def test_a_url_leads_somewhere_and_shows_no_secret(url, kind, tls, places, shown):
    parsed = RedisUrl.parse(url)
    assert (parsed.kind, parsed.tls, parsed.places) == (kind, tls, places)
    assert parsed.address == public_address(url) == Settings(url=url).address == shown
    assert ":p@" not in repr(parsed)
    assert check_url(url) == url
    assert Settings(url=url).spread is (kind is Kind.CLUSTER)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://:S3cr3t@h", "http://"),
        ("S3cr3t", "no scheme"),
        ("redis://:S3cr3t@h:x", "the port is a number"),
        ("redis://:S3cr3t@h:0", "port 0"),
        ("redis://:S3cr3t/@h", "bad Redis URL"),
        ("redis://h/S3cr3t", "the database is a number"),
        ("unix://:S3cr3t@", "path of a socket"),
        ("redis+sentinel://:S3cr3t@h:1", "needs the master's name"),
        ("redis+sentinel://h/m/S3cr3t", "the database is a number"),
        ("redis+cluster://:S3cr3t@h/1", "no database but 0"),
        ("redis+cluster://:S3cr3t@h:1,g:99999", "the port is a number up to 65535"),
        ("redis+elsewhere://:S3cr3t@h", "redis+elsewhere://"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_without_its_secret(url, said):
    with pytest.raises(ConfigError, match="bad Redis URL") as refused:
        check_url(url)
    assert said in str(refused.value)
    assert "S3cr3t" not in str(refused.value)
    assert public_address(url) == "?"


def test_the_master_and_the_sentinels_each_get_their_own_login():
    url = RedisUrl.parse(
        "rediss+sentinel://app:p%40@h/m/2?ssl_ca_certs=/ca.pem&sentinel_username=s&sentinel_password=q%40"
    )
    assert url.at("10.0.0.1", 7) == "rediss://app:p%40@10.0.0.1:7/2?ssl_ca_certs=%2Fca.pem"
    assert url.sentinel_at("::1", 8) == "rediss://s:q%40@[::1]:8/0?ssl_ca_certs=%2Fca.pem"
    assert "@" not in RedisUrl.parse("redis+sentinel://app:p@h/m").sentinel_at("h", 1)


def test_every_password_in_a_url_is_known_as_a_secret():
    url = "rediss+sentinel://u:a%40b@h,g/m?sentinel_password=c%40d&ssl_password=e&ssl_keyfile=k.pem"
    assert secrets_in(url) == {"a%40b", "a@b", "c@d", "e"}


@pytest.mark.parametrize(
    ("url", "public", "redis_cli"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0", ""),
        ("redis://:pw@h:7/3", "redis://h:7/3", "-h h -p 7 -n 3 --askpass"),
        ("redis://u%40x:pw@h", "redis://u%40x@h", "-h h --user u@x --askpass"),
        ("redis://h/0?password=pw&db=4", "redis://h/0?db=4", "-h h -n 4 --askpass"),
        ("rediss://h?ssl_ca_certs=ca.pem", "rediss://h?ssl_ca_certs=ca.pem", "-h h --tls --cacert ca.pem"),
        ("rediss://h?ssl_cert_reqs=none", "rediss://h?ssl_cert_reqs=none", "-h h --tls --insecure"),
        ("unix://u:pw@/r.sock?db=2", "unix://u@/r.sock?db=2", "-s /r.sock -n 2 --user u --askpass"),
        ("redis+sentinel://:pw@a:1,b/m/2", "redis+sentinel://a:1,b/m/2", "-h HOST -p PORT -n 2 --askpass"),
        ("redis+cluster://a:1,b", "redis+cluster://a:1,b", "-h HOST -p PORT"),
    ],
)
def test_a_url_can_be_told_to_a_shell_without_its_password(url, public, redis_cli):
    parsed = RedisUrl.parse(url)

    assert parsed.public == public
    assert " ".join(parsed.redis_cli) == redis_cli
    assert RedisUrl.parse(public).address == parsed.address


@pytest.mark.parametrize("port", ["abc", "99999"])
def test_a_port_that_is_none_is_told_with_an_example(port):
    with pytest.raises(ConfigError, match="the port is a number up to 65535, as in redis://host:6379/0"):
        check_url(f"redis://h:{port}/0")

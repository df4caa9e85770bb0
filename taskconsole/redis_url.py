"""URLs of Redis: one server, one that Sentinels name, or a cluster.

    redis://user:password@host:6379/0       one server; rediss:// with TLS
    unix:///run/redis.sock?db=0
    redis+sentinel://user:password@host1:26379,host2:26379/mymaster/0
    redis+cluster://user:password@host1:7000,host2:7001

`rediss+sentinel://` and `rediss+cluster://` use TLS everywhere. What stands in the query goes to redis-py under its
own names (`ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, …); `sentinel_username` and `sentinel_password` go to the
Sentinels alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

from taskconsole.errors import ConfigError

__all__ = ["Kind", "RedisUrl", "secrets_in"]

SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster", "unix")

SECRETS = ("password", "sentinel_password", "ssl_password")
"""What is secret in a query."""

_SENTINELS_OWN = ("sentinel_username", "sentinel_password")

_EXAMPLE = "redis://localhost:6379/0"


class Kind(StrEnum):
    """What a URL leads to."""

    SERVER = "server"
    SOCKET = "socket"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """A URL in its parts."""

    kind: Kind
    text: str = field(repr=False)
    """As it was given."""
    tls: bool = False
    login: str = field(default="", repr=False)
    """`user:password@` as written; empty for none."""
    places: tuple[tuple[str, int], ...] = ()
    """Hosts and ports: of the server, of the Sentinels, of some nodes; none for a socket."""
    service: str = ""
    """What the Sentinels call the master."""
    database: str = "0"
    query: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> RedisUrl:
        """The parts of `url`.

        Raises:
            ConfigError: It names no Redis in a way we understand; the message holds no password.
        """
        if not isinstance(url, str):
            raise ConfigError(f"bad Redis URL: a text is needed, not {type(url).__qualname__}, such as {_EXAMPLE}")
        try:
            parts = urlsplit(url)
            netloc = parts.netloc
        except ValueError as error:
            raise ConfigError(f"bad Redis URL: {_first_words(error)}") from None
        if parts.scheme not in SCHEMES:
            scheme = f"{parts.scheme}://" if parts.scheme and len(parts.scheme) < 20 else "no scheme"
            raise ConfigError(
                f"bad Redis URL ({scheme}): it starts with redis://, rediss:// or unix://, e.g. {_EXAMPLE}, "
                "or with redis+sentinel:// or redis+cluster://"
            )
        if parts.scheme == "unix":
            if not parts.path:
                raise ConfigError("bad Redis URL: unix:// needs the path of a socket, e.g. unix:///run/redis.sock?db=0")
            return cls(kind=Kind.SOCKET, text=url, query=parts.query)
        kind = Kind(parts.scheme.partition("+")[2] or Kind.SERVER)
        login, at, hosts = netloc.rpartition("@")
        service, database = _service_and_database(kind, parts.path.strip("/"))
        return cls(
            kind=kind,
            text=url,
            tls=parts.scheme.startswith("rediss"),
            login=login + at,
            places=_places(kind, hosts),
            service=service,
            database=database or "0",
            query=parts.query,
        )

    def at(self, host: str, port: int) -> str:
        """The URL of one server behind this one: the master of the moment, a node."""
        return self._plain(self.login, host, port, self.database, drop=_SENTINELS_OWN)

    def sentinel_at(self, host: str, port: int) -> str:
        """The URL of one Sentinel."""
        own = parse_qs(self.query)
        user, password = (own.get(name, [""])[0] for name in _SENTINELS_OWN)
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
        return self._plain(login, host, port, "0", drop=(*_SENTINELS_OWN, "username", "password", "db"))

    def _plain(self, login: str, host: str, port: int, database: str, *, drop: tuple[str, ...]) -> str:
        query = urlencode([(name, value) for name, value in parse_qsl(self.query) if name not in drop])
        shown = f"[{host}]" if ":" in host else host
        return f"redis{'s' * self.tls}://{login}{shown}:{port}/{database}{'?' * bool(query)}{query}"

    @property
    def patience(self) -> float | None:
        """Seconds to wait for an answer, where the query says (`socket_timeout`)."""
        try:
            return float(parse_qs(self.query)["socket_timeout"][0])
        except (KeyError, ValueError):
            return None

    @property
    def unverified(self) -> bool:
        """With TLS, but whoever answers is believed to be the server."""
        wanted = parse_qs(self.query).get("ssl_cert_reqs", ["required"])[0]
        return self.tls and wanted != "required"

    @property
    def public(self) -> str:
        """The same URL without its passwords: whoever types it is told that one is missing."""
        parts = urlsplit(self.text)
        login, _, hosts = parts.netloc.rpartition("@")
        user = login.partition(":")[0]
        query = urlencode([(name, value) for name, value in parse_qsl(self.query) if name not in SECRETS])
        return f"{parts.scheme}://{user}{'@' * bool(user)}{hosts}{parts.path}{'?' * bool(query)}{query}"

    @property
    def redis_cli(self) -> tuple[str, ...]:
        """What redis-cli is told to meet the same server; passwords are asked for.

        Where the server is named by others, and may be another one next time, the place is left to be filled in:
        redis-cli would take this machine's own.
        """
        asked = parse_qs(self.query)
        words: list[str] = []
        match self.kind:
            case Kind.SOCKET:
                words += ["-s", self.address]
            case Kind.SERVER:
                host, port = self.places[0]
                words += ["-h", host] if host not in {"localhost", "127.0.0.1"} else []
                words += ["-p", str(port)] if port != 6379 else []
            case _:
                words += ["-h", "HOST", "-p", "PORT"]
        database = asked.get("db", [self.database])[0]
        words += ["-n", database] if database != "0" else []
        if self.tls:
            words += ["--tls"]
            for name, option in (("ssl_ca_certs", "--cacert"), ("ssl_certfile", "--cert"), ("ssl_keyfile", "--key")):
                words += [option, asked[name][0]] if name in asked else []
            words += ["--insecure"] if self.unverified else []
        user, _, password = urlsplit(self.text).netloc.rpartition("@")[0].partition(":")
        user = unquote(user) or asked.get("username", [""])[0]
        words += ["--user", user] if user else []
        words += ["--askpass"] if password or "password" in asked else []
        return tuple(words)

    @property
    def address(self) -> str:
        """What may be shown of it: `host:port/db`, `mymaster/0 by Sentinel host:port +2`, the path of the socket."""
        if self.kind is Kind.SOCKET:
            return urlsplit(self.text).path
        host, port = self.places[0]
        first = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        others = f" +{len(self.places) - 1}" if len(self.places) > 1 else ""
        match self.kind:
            case Kind.SENTINEL:
                return f"{self.service}/{self.database} by Sentinel {first}{others}"
            case Kind.CLUSTER:
                return f"cluster {first}{others}"
            case _:
                return f"{first}/{self.database}"


def secrets_in(url: str) -> set[str]:
    """The passwords in a URL, as written there and decoded."""
    try:
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        asked = parse_qs(parts.query)
    except ValueError:
        return set()
    written = {login.partition(":")[2], *(value for name in SECRETS for value in asked.get(name, []))}
    return {secret for text in written for secret in (text, unquote(text)) if secret}


def _places(kind: Kind, hosts: str) -> tuple[tuple[str, int], ...]:
    usual = 26379 if kind is Kind.SENTINEL else 6379
    found: list[tuple[str, int]] = []
    for place in hosts.split(",") if kind is not Kind.SERVER else [hosts]:
        try:
            parts = urlsplit(f"//{place}")
            port = parts.port  # reading it is what validates it
        except ValueError as error:
            raise ConfigError(f"bad Redis URL: {_first_words(error)}") from None
        if port == 0:
            raise ConfigError("bad Redis URL: port 0")
        found.append((parts.hostname or "localhost", port or usual))
    return tuple(found)


def _service_and_database(kind: Kind, path: str) -> tuple[str, str]:
    service, database = "", path
    if kind is Kind.SENTINEL:
        service, _, database = path.partition("/")
        if not service:
            raise ConfigError(
                "bad Redis URL: redis+sentinel:// needs the master's name after the hosts, "
                "as in redis+sentinel://host:26379/mymaster/0"
            )
    if database and not (database.isascii() and database.isdigit()):
        # Not quoted: with a slash too few, or one inside a password, this is where the password ends up.
        raise ConfigError("bad Redis URL: the database is a number, as in redis://host:6379/0")
    if kind is Kind.CLUSTER and database.strip("0"):
        raise ConfigError("bad Redis URL: a cluster has no database but 0")
    return unquote(service), database


def _first_words(error: Exception) -> str:
    # urlsplit quotes the part it could not read; a port is harmless, anything longer may hold a secret.
    text = str(error).splitlines()[0] if str(error) else "unreadable"
    if text.startswith("Port "):
        return "the port is a number up to 65535, as in redis://host:6379/0"
    return text.split(" as ")[0][:60]

"""Who may see and do what: roles, tokens, a trusted proxy's header, sessions and the limit on wrong tokens."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from itsdangerous import BadSignature, URLSafeSerializer
from pydantic import Field
from starlette.datastructures import Headers

from netlift.config.settings import Settings, load_settings
from netlift.data.write import write_bytes
from netlift.errors import ConfigError, UsageError
from netlift.text import clean

Role = Literal["reader", "analyst", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may what the one before it may: read; order readouts and designs; approve, kill and fetch customers' ids."""
SESSION_HOURS, MOST_WRONG, WRONG_MINUTES, MOST_ADDRESSES = 12, 10, 15, 10_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class TokenSettings(Settings):
    """One person's token.

    Attributes:
        name: Who holds it, as the journal names them; never empty, as in the session of who did not sign in.
        role: What they may.
        sha256: Hash of the token, which is random and stands nowhere.
    """

    name: Annotated[str, Field(min_length=1)]
    role: Role
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ProxySettings(Settings):
    """A proxy that has signed people in before they come here.

    Attributes:
        addresses: Where it calls from; its headers are believed from there alone.
        user_header: Header with the person's name.
        role_header: Header with the role.
    """

    addresses: tuple[str, ...]
    user_header: str = "x-forwarded-user"
    role_header: str = "x-forwarded-role"

    def read(self, headers: Headers) -> Person | None:
        """The person whom the proxy names; None where it names none, or a header stands twice, as the caller's own."""
        names, roles = (headers.getlist(header) for header in (self.user_header, self.role_header))
        role = next((each for each in ROLES if [each] == roles), None)
        return Person(name=names[0], role=role) if role and len(names) == 1 and names[0] else None


class AccessSettings(Settings):
    """The access file.

    Attributes:
        hosts: Names under which browsers call the desk; others are refused.
        tokens: Who has one.
        proxy: Whose headers are believed; None for nobody's.
    """

    hosts: tuple[str, ...] = ()
    tokens: tuple[TokenSettings, ...] = ()
    proxy: ProxySettings | None = None


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who asks.

    Attributes:
        name: As the journal names them.
        role: What they may.
    """

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether the person's role is that one or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, kw_only=True)
class Access:
    """Tells who asks, from a token, a proxy's header or a session.

    Attributes:
        secret: Key of the sessions' signatures.
        settings: The access file as it stood at the start; None for loopback, where whoever calls is the operator.
        file: Where it stands; its tokens and proxy are read again whenever it changes, hosts are those of the start.
            None where the settings hold for good.
        wrong: When wrong tokens came, by address.
    """

    secret: bytes
    settings: AccessSettings | None = None
    file: Path | None = None
    wrong: dict[str, list[datetime]] = field(default_factory=dict, repr=False)
    _read: dict[tuple[int, ...], AccessSettings] = field(default_factory=dict, repr=False)

    @property
    def hosts(self) -> list[str]:
        """Names that a request's Host header may have."""
        return [*LOOPBACK, "[::1]", *(self.settings.hosts if self.settings else ())]

    @property
    def signs_in(self) -> bool:
        """Whether people sign in with a token."""
        return self.settings is not None and bool(self.settings.tokens)

    @property
    def is_behind_tls(self) -> bool:
        """Whether browsers come through a proxy, which speaks TLS to them."""
        return self.settings is not None and self.settings.proxy is not None

    def identify(self, headers: Headers, address: str, session: str, now: datetime) -> Person | None:
        """The person of a request; None where nobody is known.

        Args:
            headers: Of the request.
            address: The caller's.
            session: What its cookie holds.
            now: Time of the request.

        Raises:
            AccessUnreadableError: The access file was changed into one that cannot be read.
        """
        settings = self._current()
        if settings is None:
            return Person(name="local", role="operator")
        if (scheme_token := headers.get("authorization", "").split(" ", 1))[0].lower() == "bearer":
            return self.by_token(scheme_token[-1], address, now)
        proxy = settings.proxy
        if proxy is not None and address in proxy.addresses and proxy.user_header in headers:
            return proxy.read(headers)
        return self._by_session(session, now)

    def by_token(self, token: str, address: str, now: datetime) -> Person | None:
        """Who holds a token; a wrong one counts against its address.

        Raises:
            TooManyWrongError: The address has given too many wrong ones of late.
            AccessUnreadableError: The access file was changed into one that cannot be read.
        """
        self._require_patience(address, now)
        given = hash_token(token)
        held = [each for each in self._tokens() if hmac.compare_digest(each.sha256, given)]
        if held:
            return Person(name=held[0].name, role=held[0].role)
        if len(self.wrong) >= MOST_ADDRESSES:
            self.wrong.pop(next(iter(self.wrong)))
        self.wrong.setdefault(address, []).append(now)
        return None

    def open_session(self, nonce: str, name: str, now: datetime) -> str:
        """What the cookie of a session holds; `name` is empty where nobody signs in.

        Args:
            nonce: Random text, the session's own.
            name: Of the token's holder.
            now: Time of the request.
        """
        until = (now + timedelta(hours=SESSION_HOURS)).isoformat()
        return str(self._signer().dumps({"nonce": nonce, "name": name, "until": until}))

    def read_session(self, session: str, now: datetime) -> Mapping[str, str] | None:
        """A session's nonce and name, while it lasts."""
        try:
            found = self._signer().loads(session)
        except BadSignature:
            return None
        return found if datetime.fromisoformat(found["until"]) > now else None

    def csrf_token(self, nonce: str) -> str:
        """What every form of a session carries."""
        return hmac.new(self.secret, f"csrf {nonce}".encode(), hashlib.sha256).hexdigest()

    def _by_session(self, session: str, now: datetime) -> Person | None:
        found = self.read_session(session, now)
        held = [each for each in self._tokens() if found and each.name == found["name"]]
        return Person(name=held[0].name, role=held[0].role) if held else None

    def _tokens(self) -> tuple[TokenSettings, ...]:
        settings = self._current()
        return settings.tokens if settings else ()

    def _current(self) -> AccessSettings | None:
        """The access file as it stands now: one that cannot be read lets nobody in, least of all who was taken out."""
        if self.file is None:
            return self.settings
        try:
            found = self.file.stat()
            mark = (found.st_mtime_ns, found.st_size, found.st_ino)
            read = self._read.get(mark)
            if read is None:
                read = read_access(self.file)
                self._read.clear()
                self._read[mark] = read
        except (OSError, ConfigError) as error:
            raise AccessUnreadableError("the access file cannot be read; its keeper must mend it first") from error
        return read

    def _require_patience(self, address: str, now: datetime) -> None:
        recent = [each for each in self.wrong.get(address, ()) if now - each < timedelta(minutes=WRONG_MINUTES)]
        if recent:
            self.wrong[address] = recent
        else:
            self.wrong.pop(address, None)
        if len(recent) >= MOST_WRONG:
            raise TooManyWrongError(f"too many wrong tokens from your address; wait {WRONG_MINUTES} minutes")

    def _signer(self) -> URLSafeSerializer:
        return URLSafeSerializer(self.secret, salt="session")


class TooManyWrongError(UsageError):
    """An address gave too many wrong tokens."""


class AccessUnreadableError(ConfigError):
    """The access file was changed, while the desk ran, into one that cannot be read."""


def hash_token(token: str) -> str:
    """What the access file holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def grant_token(path: Path, *, name: str, role: str, token: str) -> None:
    """Keep the hash of a person's token in the access file, in place of the one they had; the file is laid out anew.

    Args:
        path: The file; made where it is missing.
        name: Who holds the token.
        role: What they may.
        token: Random text.

    Raises:
        UsageError: No such role, or a name that cannot be shown.
        ConfigError: The file that stands cannot be read.
    """
    known = next((each for each in ROLES if each == role), None)
    if known is None:
        raise UsageError(f"--role {role}: one of {', '.join(ROLES)}")
    if not name.strip() or clean(name) != name:
        raise UsageError("the name is empty or holds letters that cannot be shown; give another")
    settings = load_settings(path, AccessSettings) if path.exists() else AccessSettings()
    others = tuple(each for each in settings.tokens if each.name != name)
    held = (*others, TokenSettings(name=name, role=known, sha256=hash_token(token)))
    content = settings.model_copy(update={"tokens": held}).model_dump(mode="json", exclude_none=True)
    write_bytes(path, yaml.safe_dump(content, allow_unicode=True, sort_keys=False).encode(), mode=0o600)


def require_access(host: str, path: Path | None) -> AccessSettings | None:
    """The access that a bind address needs; None on loopback without an access file.

    Raises:
        UsageError: The address can be reached from elsewhere, and nobody is asked who they are.
        ConfigError: The access file cannot be read, or lets nobody in.
    """
    if path is None:
        if host == "localhost" or (_is_address(host) and ip_address(host).is_loopback):
            return None
        raise UsageError(
            f"--host {host} can be reached from other machines: give --access FILE with tokens (netlift grant NAME "
            "--role reader --access FILE) or a proxy's addresses, or stay on 127.0.0.1"
        )
    return read_access(path)


def read_access(path: Path) -> AccessSettings:
    """The access file.

    Raises:
        ConfigError: It cannot be read, or lets nobody in.
    """
    settings = load_settings(path, AccessSettings)
    if not settings.tokens and not (settings.proxy and settings.proxy.addresses):
        raise ConfigError(f"{path}: neither tokens nor a proxy's addresses, so that nobody could come in")
    names = [each.name for each in settings.tokens]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{path}: tokens: {', '.join(twice)} stands twice; one name, one token")
    return settings


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


__all__ = [
    "ROLES",
    "Access",
    "AccessSettings",
    "AccessUnreadableError",
    "Person",
    "ProxySettings",
    "Role",
    "TokenSettings",
    "TooManyWrongError",
    "grant_token",
    "hash_token",
    "read_access",
    "require_access",
]

"""Passwords of PostgreSQL roles: class C with one role, class A with two that stand for the same owner.

1. One role (`role`): `ALTER ROLE … PASSWORD` cuts over at once, so logins with the old password fail until consumers
   have the new one. With `admin` an administrator sets it; without, the role changes itself.
2. Two roles (`roles`, needs `admin`): each logs in and stands for the same NOLOGIN role, `member_of`. A role that may
   not log in is an empty slot. Setting a slot allows the login and stamps the credential's id into the role's comment,
   in one transaction; a role that may log in without such a comment is somebody else's and is never overwritten. Two
   administrators can still act between our read and our write, so both roles are declared as the tool's own.
3. The server receives a SCRAM verifier, never the password; its log shows no more.
4. Revoking ends logins and every open session, which a change of password alone does not.

Sources: PostgreSQL reference, ALTER ROLE, COMMENT, pg_terminate_backend; appendix A (SQLSTATE).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import Field, model_validator

from lifecycle.clients.postgres import PostgresFailedError, PostgresLogin, PostgresTarget, run_session, scram_verifier
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    LifecycleError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
    UnreachableError,
)
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import SettingIssuer
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import Reason, VerificationStatus, outcome

if TYPE_CHECKING:
    from psycopg import AsyncConnection

T = TypeVar("T")
_TIMEOUT = timedelta(seconds=15)
_STAMP = "lifecycle:"
_ADMIN_REMEDY = "check the admin credential: `lifecycle verify`, then run again"
_RIGHTS = (
    "the admin role needs CREATEROLE (from PostgreSQL 16: ADMIN on the role) and, to end sessions, pg_signal_backend"
)


class PostgresRolePasswordSettings(KindSettings):
    """A credential of kind `postgres_role_password`: one `role`, or two `roles` and what they stand for.

    Attributes:
        host: name of the server, as its certificate has it.
        port: its port.
        database: any database of it; roles belong to all.
        ca_file: trust only this authority; empty = the system's.
        role: the role whose password it is.
        roles: two roles that are used in turn.
        member_of: the NOLOGIN role that both are members of (`owner` is who answers for an entry of the spec).
        admin: the credential of this spec that may change the roles.
    """

    host: str
    port: int = 5432
    database: str = "postgres"
    ca_file: str = ""
    role: str | None = None
    roles: tuple[str, ...] = Field(default=(), max_length=2)
    member_of: str | None = None
    admin: str | None = None

    @model_validator(mode="after")
    def _one_or_two(self) -> Self:
        if bool(self.role) == bool(self.roles):
            raise ValueError("needs exactly one of role, roles")
        if self.roles and (len(set(self.roles)) != 2 or not self.member_of or not self.admin):
            raise ValueError("roles are two different ones, and need member_of and admin")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A role as the catalogue shows it."""

    login: bool
    comment: str
    member: bool


class PostgresRolePasswordIssuer:
    """Sets and ends passwords of one role, or of two in turn; the principal is the role, or the owner of the two.

    Args:
        target: the server.
        roles: one role, or two.
        owner: of two roles.
        admin: reads the administrator's login; None = the role changes itself.
        self_admin: other credentials are changed with this one, so it comes last.
    """

    def __init__(
        self,
        target: PostgresTarget,
        roles: tuple[str, ...],
        *,
        owner: str = "",
        admin: Callable[[], SecretValue] | None,
        self_admin: bool = False,
    ) -> None:
        self._target = target
        self._roles = roles
        self._owner = owner
        self._admin = admin
        self._traits = traits_of(roles, self_admin=self_admin)

    @property
    def traits(self) -> Traits:
        """Class A with two roles, else C."""
        return self._traits

    def generate(self, slot: str) -> SecretValue:
        """A random password for the role of this slot; of two roles also the id that is stamped beside it."""
        value = {"username": SecretText(slot or self._roles[0]), "password": SecretText(secrets.token_urlsafe(32))}
        return {**value, "credential_id": SecretText(secrets.token_hex(12))} if self._alternating else value

    def identify(self, value: SecretValue) -> CredentialId:
        """One role: the role, whatever its password. Two: the id kept beside it; without one it was not set by us."""
        username = value["username"].get_secret_value()
        if not self._alternating:
            return CredentialId(username)
        kept = value.get("credential_id")
        return CredentialId(f"{username}/{kept.get_secret_value()}" if kept else username)

    def list(self, principal: str) -> CompleteListing:
        """The roles that may log in. A role that changes itself is listed unasked: only a login could tell."""
        if self._admin is None:
            found = [ProviderCredential(id=CredentialId(self._roles[0]))]
        else:
            held = self._run(self._admin(), self._read_all, what=f"reading the roles of {principal}", writes=False)
            found = [self._shown(role, state) for role, state in held.items() if state.login]
        return CompleteListing(principal=principal, credentials=tuple(found))

    def set(
        self,
        principal: str,
        slot: str,
        value: SecretValue,
        *,
        expected: ProviderCredential | None,
        admin: SecretValue | None,
    ) -> ProviderCredential:
        """Make the role accept the password."""
        role = value["username"].get_secret_value()
        if role not in self._roles or (slot and slot != role):
            raise ConfigurationError(
                f"the value is of PostgreSQL role {role}, which is not the one to be set", remedy="correct the spec"
            )
        if admin is None:
            raise ConfigurationError(
                f"nothing authorises the first password of PostgreSQL role {role}", remedy="declare `admin:`"
            )
        itself, new = self._admin is None, PostgresLogin(username=role, password=value["password"])

        async def change(connection: AsyncConnection[Any]) -> None:
            """Check the slot, set the verifier, stamp: all or nothing."""
            async with connection.transaction():
                if self._alternating:
                    await self._check_slot(connection, role, value, expected)
                await _set_password(connection, new, login=not itself)
                if self._alternating:
                    await _comment(connection, role, self._stamp(value))

        self._run(admin, change, what=f"setting the password of PostgreSQL role {role}", writes=True)
        return ProviderCredential(id=self.identify(value), slot=role if self._alternating else "")

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Not offered: a password that may come back is one that still lives."""
        raise RemoteServiceError(
            f"passwords of PostgreSQL roles are not switched {'on' if enabled else 'off'} ({credential_id})",
            remedy="revoke the credential instead",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """End logins and open sessions of the role that this credential opens."""
        if self._admin is None:
            raise ConfigurationError(
                f"PostgreSQL role {principal} cannot end itself", remedy="declare `admin:` for this credential"
            )

        async def end(connection: AsyncConnection[Any]) -> None:
            """Forbid the login, then end what is open."""
            async with connection.transaction():
                held = await self._read_all(connection)
                role = next((r for r, s in held.items() if s.login and self._shown(r, s).id == credential_id), None)
                if role is None:
                    raise NotFoundError(f"{principal} has no login {credential_id}", remedy="nothing to do")
                await _forbid_login(connection, role)
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,)
            )

        self._run(self._admin(), end, what=f"ending {credential_id} of {principal}", writes=True)

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """PostgreSQL does not tell."""
        del principal, credential_id
        return NotReported.UNKNOWN

    @property
    def _alternating(self) -> bool:
        return len(self._roles) > 1

    def _stamp(self, value: SecretValue) -> str:
        return f"{_STAMP}{value['credential_id'].get_secret_value()}"

    def _shown(self, role: str, held: _Held) -> ProviderCredential:
        ours = self._alternating and held.comment.startswith(_STAMP)
        name = f"{role}/{held.comment.removeprefix(_STAMP)}" if ours else role
        return ProviderCredential(id=CredentialId(name), slot=role if self._alternating else "")

    async def _read_all(self, connection: AsyncConnection[Any]) -> dict[str, _Held]:
        cursor = await connection.execute(
            "SELECT rolname, rolcanlogin, coalesce(shobj_description(oid, 'pg_authid'), ''),"
            " coalesce((SELECT pg_has_role(r.oid, o.oid, 'MEMBER') FROM pg_roles o WHERE o.rolname = %s), false)"
            " FROM pg_roles r WHERE rolname = ANY(%s)",
            (self._owner, list(self._roles)),
        )
        rows = {name: _Held(login=login, comment=text, member=member) async for name, login, text, member in cursor}
        missing = [role for role in self._roles if role not in rows]
        if missing:
            raise ConfigurationError(
                f"{self._target} has no role {', '.join(missing)}", remedy="create it, or correct the spec"
            )
        return rows

    async def _check_slot(
        self,
        connection: AsyncConnection[Any],
        role: str,
        value: SecretValue,
        expected: ProviderCredential | None,
    ) -> None:
        held = (await self._read_all(connection))[role]
        if not held.member:
            raise ConfigurationError(
                f"PostgreSQL role {role} is no member of {self._owner}", remedy=f"GRANT {self._owner} TO {role}"
            )
        there = self._shown(role, held).id if held.login else None
        if there not in (self.identify(value), expected.id if expected else None):
            raise SlotOccupiedError(
                f"PostgreSQL role {role} may log in already and its password is not ours ({there})",
                remedy=f"ALTER ROLE {role} NOLOGIN, when nobody uses it",
            )

    def _run(
        self, login: SecretValue, work: Callable[[AsyncConnection[Any]], Awaitable[T]], *, what: str, writes: bool
    ) -> T:
        who = PostgresLogin(username=login["username"].get_secret_value(), password=login["password"])
        try:
            return run_session(self._target, who, work, timeout=_TIMEOUT)
        except PostgresFailedError as error:
            raise _translated(error, f"{what} at {self._target}", writes=writes) from None


def traits_of(roles: tuple[str, ...], *, self_admin: bool = False) -> Traits:
    """What one role, or two, can do."""
    two = len(roles) > 1
    return Traits(
        credential_class=CredentialClass.A if two else CredentialClass.C,
        slots=len(roles),
        slot_names=roles if two else (),
        settle=timedelta(seconds=2),
        request_timeout=_TIMEOUT,
        self_admin=self_admin,
    )


async def _set_password(connection: AsyncConnection[Any], new: PostgresLogin, *, login: bool) -> None:
    from psycopg import sql

    verifier = await scram_verifier(connection, new)
    words = sql.SQL("LOGIN PASSWORD" if login else "PASSWORD")
    await connection.execute(sql.SQL("ALTER ROLE {} {} {}").format(sql.Identifier(new.username), words, verifier))


async def _comment(connection: AsyncConnection[Any], role: str, text: str | None) -> None:
    from psycopg import sql

    await connection.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(role), text))


async def _forbid_login(connection: AsyncConnection[Any], role: str) -> None:
    from psycopg import sql

    await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(role)))
    await _comment(connection, role, None)


def _translated(error: PostgresFailedError, what: str, *, writes: bool) -> LifecycleError:
    told = f"{what}: {error}"
    if not error.connected:
        if outcome(error.reason) is VerificationStatus.INVALID or error.reason is Reason.LOCKED:
            return AuthenticationError(told, remedy=_ADMIN_REMEDY)
        return UnreachableError(told, remedy="check host, port, TLS and network path, then run again")
    if error.reason is Reason.NO_PERMISSION:
        return AuthenticationError(told, remedy=_RIGHTS)
    lost = len(error.code) != 5 or error.code.startswith(("08", "57"))  # no answer of the server to this statement
    if writes and lost:
        return AmbiguousEffectError(told, remedy="run again: the effect is looked up before anything is repeated")
    return RemoteServiceError(told, remedy="read the server's log", retryable=not writes)


_: type[SettingIssuer] = PostgresRolePasswordIssuer

KIND = Kind(
    name="postgres_role_password",
    family=Family.ISSUER,
    settings=PostgresRolePasswordSettings,
    summary="Password of a PostgreSQL role, or of two roles in turn that stand for one owner.",
    traits=traits_of(("role",)),
    references={"admin": "credentials"},
)

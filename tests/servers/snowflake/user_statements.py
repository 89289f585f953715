"""The SQL about users, which fakesnow does not know: ALTER USER, DESC USER and SHOW USER KEY PAIRS."""

import re
from datetime import UTC, datetime

from tests.servers.snowflake.users import (
    KEY_SLOTS,
    Directory,
    NamedKey,
    SnowflakeError,
    User,
    fingerprint,
    load_public_key,
)

Table = tuple[list[str], list[list[str | None]]]

_NAME = r'(?:"(?P<quoted>[^"]+)"|(?P<plain>[A-Za-z_][\w$]*))'
_RESERVED = ("PUBLIC_KEY_1", "PUBLIC_KEY_2")
_IS_ABOUT_USERS = re.compile(r"\s*(ALTER|DESC|DESCRIBE|SHOW)\s+USER\b", re.IGNORECASE)
_KEY_PAIR = re.compile(
    rf"\s*ALTER\s+USER\s+{_NAME}\s+(?P<verb>ADD|REMOVE|MODIFY)\s+KEY\s+PAIR\s+(?P<key>\w+)\s*(?P<rest>.*?)\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_SHOW = re.compile(rf"\s*SHOW\s+USER\s+KEY\s+PAIRS\s+FOR\s+USER\s+{_NAME}\s*;?\s*$", re.IGNORECASE)
_ALTER = re.compile(
    rf"\s*ALTER\s+USER\s+(?:IF\s+EXISTS\s+)?{_NAME}\s+(?P<verb>SET|UNSET)\s+(?P<rest>.+?)\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_DESCRIBE = re.compile(rf"\s*DESC(?:RIBE)?\s+USER\s+{_NAME}\s*;?\s*$", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"\s*,?\s*(?P<property>\w+)\s*=\s*(?P<value>'(?:[^']|'')*'|\w+)\s*", re.DOTALL)


def is_about_users(statement: str) -> bool:
    """Whether a statement belongs here rather than to fakesnow."""
    return _IS_ABOUT_USERS.match(statement) is not None


def run_user_statement(directory: Directory, actor: User, statement: str) -> Table:
    """Run a statement about users.

    Args:
        directory: The users.
        actor: Who runs it.
        statement: One for which `is_about_users` holds.

    Returns:
        The names of the columns, and the rows.

    Raises:
        SnowflakeError: No right, no such user, or SQL that is not known here.
    """
    if found := _DESCRIBE.match(statement):
        return _describe(_target(directory, actor, found, may_be_self=True))
    if found := _SHOW.match(statement):
        return _show_key_pairs(_target(directory, actor, found, may_be_self=True))
    if found := _KEY_PAIR.match(statement):
        user = _target(directory, actor, found, may_be_self=False)
        _change_key_pair(user, found["verb"].upper(), found["key"].upper(), found["rest"], directory.clock())
        return ["status"], [["Statement executed successfully."]]
    if found := _ALTER.match(statement):
        user = _target(directory, actor, found, may_be_self=False)
        change = _set if found["verb"].upper() == "SET" else _unset
        change(user, found["rest"], directory.clock())
        return ["status"], [["Statement executed successfully."]]
    raise _syntax_error(statement)


def _target(directory: Directory, actor: User, found: re.Match[str], *, may_be_self: bool) -> User:
    name = found["quoted"] or found["plain"].upper()
    user = directory.users.get(name)
    administered = "*" in actor.administers or name in actor.administers
    visible = user is not None and (administered or user is actor)
    if user is None or not visible:
        raise SnowflakeError("002003", f"User '{name}' does not exist or not authorized.", sql_state="02000")
    if not (administered or may_be_self):
        text = f"SQL access control error:\nInsufficient privileges to operate on user '{name}'"
        raise SnowflakeError("003001", text, sql_state="42501")
    return user


def _describe(user: User) -> Table:
    rows: list[list[str | None]] = [
        ["NAME", user.name, "null", "Name"],
        ["LOGIN_NAME", user.name, "null", "Login name of the user"],
        ["PASSWORD", "********" if user.password else "null", "null", "Password of the user"],
        ["DISABLED", str(user.disabled).lower(), "false", "Whether the user is disabled"],
    ]
    for slot in KEY_SLOTS:
        value, set_at = user.keys.get(slot), user.keys_set_at.get(slot)
        shown = "null" if set_at is None else datetime.fromtimestamp(set_at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        rows.append([f"{slot}_FP", "null" if value is None else fingerprint(value), "null", "Fingerprint of the key"])
        rows.append([f"{slot}_LAST_SET_TIME", shown, "null", "When the key was set"])
    return ["property", "value", "default", "description"], rows


def _show_key_pairs(user: User) -> Table:
    rows: list[list[str | None]] = [
        [
            name,
            user.name,
            fingerprint(key.value),
            None,
            "DISABLED" if key.disabled else "ACTIVE",
            None,
            datetime.fromtimestamp(key.added, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " +0000",
        ]
        for name, key in user.named_keys.items()
    ]
    return ["name", "user_name", "fingerprint", "role_scope", "status", "comment", "created_on"], rows


def _change_key_pair(user: User, verb: str, name: str, rest: str, now: float) -> None:
    """ADD, REMOVE and MODIFY … SET DISABLED; numbers of the refusals are Snowflake's usual ones for objects."""
    if name in _RESERVED:
        raise SnowflakeError("001008", f"Key pair name '{name}' is reserved.", sql_state="22023")
    assignment = _ASSIGNMENT.match(rest.removeprefix("SET ").strip())
    if verb == "ADD":
        if assignment is None or assignment["property"].upper() != "PUBLIC_KEY":
            raise _syntax_error(rest)
        value = assignment["value"].strip("'")
        load_public_key(value)
        if name in user.named_keys:
            raise SnowflakeError("002002", f"Object '{name}' already exists.", sql_state="42710")
        if value in user.accepted():
            raise SnowflakeError("001008", "The public key is in use already.", sql_state="22023")
        user.named_keys[name] = NamedKey(value=value, added=now)
        return
    if name not in user.named_keys:
        raise SnowflakeError("002003", f"Key pair '{name}' does not exist or not authorized.", sql_state="02000")
    if verb == "REMOVE":
        del user.named_keys[name]
    elif assignment is not None and assignment["property"].upper() == "DISABLED":
        user.named_keys[name].disabled = assignment["value"].upper() == "TRUE"
    else:
        raise _syntax_error(rest)


def _set(user: User, text: str, now: float) -> None:
    position = 0
    while position < len(text):
        found = _ASSIGNMENT.match(text, position)
        if found is None:
            raise _syntax_error(text)
        name, value = found["property"].upper(), found["value"].strip("'").replace("''", "'")
        if name in KEY_SLOTS:
            user.set_key(name, value, now)
        elif name == "PASSWORD":
            user.password = value
        elif name == "DISABLED":
            user.disabled = value.upper() == "TRUE"
        else:
            raise _syntax_error(name)
        position = found.end()


def _unset(user: User, text: str, _now: float) -> None:
    names = [name.strip().upper() for name in re.split(r"[,\s]+", text.strip())]
    if unknown := [name for name in names if name not in (*KEY_SLOTS, "PASSWORD")]:
        raise _syntax_error(unknown[0])
    for name in names:
        if name == "PASSWORD":
            user.password = None
        else:
            user.unset_key(name)


def _syntax_error(near: str) -> SnowflakeError:
    word = (near.split() or [""])[0]
    return SnowflakeError("001003", f"SQL compilation error:\nsyntax error near '{word}'", sql_state="42000")

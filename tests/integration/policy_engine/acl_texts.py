"""Random Vault policies, biased to what is hard: overlaps, `+`, globs, denials, odd slashes, several spellings."""

import json
from random import Random

_SEGMENTS = ("a", "a", "ab", "abc", "b", "data", "", "+", "+", "+", "+a", "a+", "*a", "ä", "A")
_ASKED = ("a", "a", "ab", "abc", "b", "data", "", "x", "+", "+a", "a+", "*a", "ä", "A")
_CAPABILITIES = ("create", "read", "update", "delete", "list", "sudo", "patch", "scan")
_LEGACY = ("deny", "read", "write", "sudo")


def random_policy(random: Random) -> str:
    """The text of a policy, in HCL or JSON."""
    stanzas = [(random_pattern(random), _body(random)) for _ in range(random.randint(1, 7))]
    if random.random() < 0.25:
        return json.dumps({"path": [{path: body} for path, body in stanzas]})
    return "\n".join(_hcl(random, path, body) for path, body in stanzas)


def random_pattern(random: Random) -> str:
    """A path of a stanza that the server accepts."""
    path = "/".join(random.choice(_SEGMENTS) for _ in range(random.randint(1, 4)))
    if random.random() < 0.4:
        path = f"{path.rstrip('+')}*"
    return f"/{path}" if random.random() < 0.1 else path


def random_path(random: Random) -> str:
    """A path to ask about, never empty: the server refuses that."""
    path = "/".join(random.choice(_ASKED) for _ in range(random.randint(1, 5)))
    return path if path.strip("/") else "a"


def _body(random: Random) -> dict[str, object]:
    if random.random() < 0.1:
        return {"policy": random.choice(_LEGACY)}
    if random.random() < 0.15:
        return {"capabilities": ["deny", *random.sample(_CAPABILITIES, random.randint(0, 1))]}
    body: dict[str, object] = {"capabilities": random.sample(_CAPABILITIES, random.randint(0, 4))}
    if random.random() < 0.1:
        body["policy"] = random.choice(_LEGACY)
    if random.random() < 0.2:
        body["allowed_parameters"] = {"Name": ["a*", 1, True], "*": []}
    if random.random() < 0.1:
        body |= {"min_wrapping_ttl": "1m", "max_wrapping_ttl": 3600}
    return body


def _hcl(random: Random, path: str, body: dict[str, object]) -> str:
    comment = random.choice(("", "# of team a\n", '// path "x" {\n', '/* path\n * "x" */'))
    equals = random.choice((" = ", "=", " =\n  "))
    written = [f"  {key}{'' if isinstance(value, dict) else equals}{_value(value)}" for key, value in body.items()]
    return f"{comment}path {json.dumps(path, ensure_ascii=False)} {{\n" + "\n".join(written) + "\n}"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + "\n".join(f"{json.dumps(key)} = {json.dumps(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)

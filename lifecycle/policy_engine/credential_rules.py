"""Rules over credentials and connectors: owner, reason, periods, grace, and removal only after retirement."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from lifecycle.domain.plan import ResourceChange
from lifecycle.domain.spec import Spec
from lifecycle.policy_engine.rule import DESTROYING, ChangeRule, Observation, RuleContext, SpecRule

_EMPTY_WORDS = frozenset(
    {"tbd", "todo", "test", "n/a", "na", "none", "x", "-", "reason", "because", "unknown", "later"}
)


def meaningless(reason: str, least_words: int) -> bool:
    """Whether a reason says nothing: a placeholder, or fewer words than the catalogue asks for."""
    return reason.strip().lower() in _EMPTY_WORDS or len(reason.split()) < least_words


def _reason(context: RuleContext) -> Iterator[Observation]:
    for name, item in context.spec.credentials.items():
        if meaningless(item.reason, context.parameters["least_words"]):
            text = f"credentials.{name} does not say why it exists and why it is rotated at this pace"
            yield Observation(message=text, key_path=f"credentials.{name}.reason", evidence=repr(item.reason))


def _period(context: RuleContext) -> Iterator[Observation]:
    longest = timedelta(days=context.parameters["longest_days"])
    for name, item in context.spec.credentials.items():
        if item.rotation_period > longest:
            text = f"credentials.{name} is rotated every {item.rotation_period.days} days, the limit is {longest.days}"
            yield Observation(
                message=text, key_path=f"credentials.{name}.rotation_period", evidence=f"{item.rotation_period.days}d"
            )


def _grace(context: RuleContext) -> Iterator[Observation]:
    for name, item in context.spec.credentials.items():
        if item.grace.minimum > item.grace.ceiling or item.grace.ceiling >= item.rotation_period:
            text = f"credentials.{name}: the grace time must end after its minimum and before the next rotation"
            evidence = f"minimum {item.grace.minimum}, ceiling {item.grace.ceiling}, period {item.rotation_period}"
            yield Observation(message=text, key_path=f"credentials.{name}.grace", evidence=evidence)


def _max_age(context: RuleContext) -> Iterator[Observation]:
    for name, item in context.spec.credentials.items():
        if item.max_age is not None and item.max_age < item.rotation_period:
            text = f"credentials.{name} may be older than its max_age before it is rotated"
            yield Observation(message=text, key_path=f"credentials.{name}.max_age", evidence=f"{item.max_age.days}d")


def _unused(context: RuleContext) -> Iterator[Observation]:
    held = {c.credential for c in context.spec.connectors.values()}
    held |= {a.api_token for a in context.spec.agents.values()}
    for name, item in context.spec.credentials.items():
        if not item.consumers and not item.deliver_to and name not in held:
            text = f"credentials.{name} has no consumer, destination or connector: nobody needs it, or nobody said so"
            yield Observation(message=text, key_path=f"credentials.{name}")


def _unobservable(context: RuleContext) -> Iterator[Observation]:
    for name, item in context.spec.credentials.items():
        for number, consumer in enumerate(item.consumers):
            blind = consumer.unobservable
            if blind is not None and (blind.expires < context.today or meaningless(blind.reason, 2)):
                text = (
                    f"credentials.{name}: the consumer {blind.name} cannot acknowledge, and its exception does not hold"
                )
                path = f"credentials.{name}.consumers.{number}"
                yield Observation(message=text, key_path=path, evidence=f"expires {blind.expires}")


def removed_credentials(spec: Spec, previous: dict[str, str]) -> list[str]:
    """Names of credentials that the last applied spec had and this one has not, renames aside."""
    renamed = {item.renamed_from for item in spec.credentials.values()}
    names = [key.partition(".")[2] for key in previous if key.startswith("credentials.")]
    return sorted(name for name in names if name not in spec.credentials and name not in renamed)


def _removed_alive(context: RuleContext) -> Iterator[Observation]:
    for name in removed_credentials(context.spec, dict(context.subject.previous_entries)):
        live = context.subject.live_versions.get(name)
        if live != 0:
            known = "it is not known whether any value is alive" if live is None else f"{live} of its values are alive"
            text = f"credentials.{name} was taken out of the spec, but {known}"
            remedy = f"put the entry back and run `lifecycle rotate retire {name}`, then remove it"
            evidence = f"live versions: {live}"
            yield Observation(message=text, key_path=f"credentials.{name}", evidence=evidence, remedy=remedy)


def _destroyed_alive(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    name = change.entry.removeprefix("credentials.")
    if context.subject.live_versions.get(name, 1) != 0 and change.entry.startswith("credentials."):
        text = f"{change.address} holds values of credentials.{name} that are not retired"
        yield Observation(message=text, change=change)


def _kms(context: RuleContext) -> Iterator[Observation]:
    for name, item in context.spec.credentials.items():
        store = context.spec.secret_stores.get(item.store)
        if store is None or store.kind != "aws_secrets_manager" or item.kms_key:
            continue
        settings = store.settings
        key = settings.get("kms_key") if isinstance(settings, dict) else getattr(settings, "kms_key", None)
        if not key:
            text = f"credentials.{name} is encrypted with the account's shared key: nobody else's access can be cut off"
            yield Observation(message=text, key_path=f"credentials.{name}", evidence=f"store {item.store}")


def _connector_direct(context: RuleContext) -> Iterator[Observation]:
    for name, item in context.spec.connectors.items():
        if item.through == "direct":
            text = f"connectors.{name} is verified from here, not through the proxy that its users go through"
            yield Observation(message=text, key_path=f"connectors.{name}.through")


RULES = (
    SpecRule(id="LC-CRED-001", check=_reason, parameters={"least_words": int}),
    SpecRule(id="LC-CRED-002", check=_period, parameters={"longest_days": int}),
    SpecRule(id="LC-CRED-003", check=_grace),
    SpecRule(id="LC-CRED-004", check=_max_age),
    SpecRule(id="LC-CRED-005", check=_unused),
    SpecRule(id="LC-CRED-006", check=_unobservable),
    SpecRule(id="LC-CRED-007", check=_removed_alive),
    ChangeRule(id="LC-CRED-008", check=_destroyed_alive, types=("aws_secretsmanager_secret",), actions=DESTROYING),
    SpecRule(id="LC-CRED-009", check=_kms),
    SpecRule(id="LC-CRED-010", check=_connector_direct),
)

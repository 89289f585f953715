"""Who is who: the same person signs, commits and applies under different names. Pure.

`people.yaml` of the bundle, one record per person. Where it is empty, what stands before the @ decides: rather a
namesake who has to be replaced than somebody who approves himself. Where it is not, a name that it does not hold
refuses, since an unknown author could be the approver.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lifecycle.domain.approval import Approval
from lifecycle.domain.errors import ApprovalMissingError

Text = Annotated[str, Field(min_length=1)]


class Person(BaseModel):
    """One person, or one machine that applies.

    Attributes:
        person: how messages name it.
        principals: names in `signers/`.
        accounts: who applies, as in receipts: `USER@HOST`, or LIFECYCLE_ACTOR.
        emails: authors and committers of commits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: Text
    principals: tuple[Text, ...] = ()
    accounts: tuple[Text, ...] = ()
    emails: tuple[Text, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Every name, without regard to case."""
        return frozenset(name.lower() for name in (*self.principals, *self.accounts, *self.emails))


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Everybody that a bundle knows."""

    known: tuple[Person, ...] = ()

    def person(self, name: str, *, what: str) -> str:
        """The person behind a name.

        Args:
            name: principal, account or e-mail address.
            what: what the name did, for the message.

        Raises:
            ApprovalMissingError: people are declared, and this is none of them.
        """
        if not self.known:
            return name.partition("@")[0].lower()
        found = next((person.person for person in self.known if name.lower() in person.names), "")
        if not found:
            raise ApprovalMissingError(
                f"{name} {what} and is nobody whom people.yaml of the policy bundle knows, so nobody can tell whether"
                " an approver approves himself",
                remedy="have the name added to people.yaml in a new policy bundle",
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Involved:
    """Who made a change: nobody of them approves it.

    Attributes:
        actor: who applies.
        authors: e-mail addresses and signing names of its commits.
    """

    actor: str
    authors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Approvals that count, one per person, and why others do not."""

    approvals: tuple[Approval, ...] = ()
    set_aside: tuple[str, ...] = ()


def count(approvals: Iterable[Approval], involved: Involved, people: People) -> Counted:
    """Which approvals count.

    Raises:
        ApprovalMissingError: a name belongs to nobody who is known.
    """
    applies = people.person(involved.actor, what="applies this change")
    authors = {people.person(name, what="made a commit of this change") for name in involved.authors}
    kept: dict[str, Approval] = {}
    aside: list[str] = []
    for approval in sorted(approvals, key=lambda item: item.approver):
        who = people.person(approval.approver, what="approved this change")
        if who == applies:
            aside.append(f"{approval.approver} applies it himself")
        elif who in authors:
            aside.append(f"{approval.approver} made a commit of it")
        elif who in kept:
            aside.append(f"{approval.approver} has approved it already")
        else:
            kept[who] = approval
    return Counted(approvals=tuple(kept.values()), set_aside=tuple(aside))

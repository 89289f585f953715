"""What every secret store does. A test module subclasses `StoreContract` and gives it a `bench`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from lifecycle.domain.errors import LostRaceError, NotFoundError, RemoteServiceError
from lifecycle.domain.ports import SecretStore
from lifecycle.domain.secret import (
    CandidateId,
    OperationId,
    SecretRef,
    SecretValue,
    VersionId,
    VersionStage,
    secret_value,
)

FIRST, SECOND, THIRD = (CandidateId(name) for name in ("cand-1", "cand-2", "cand-3"))
OP = OperationId("7f1c/op 1")


def value(text: str) -> SecretValue:
    """A value with two fields."""
    return secret_value({"id": f"id-{text}", "token": f'{text}-"ä\n'})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBench:
    """A store with one secret that exists only as Terraform leaves it.

    Attributes:
        store: under test.
        ref: the secret.
        consumer_view: what a consumer that reads the secret plainly gets, field by field.
        foreign_write: another tool replaces the current value, knowing nothing of us.
    """

    store: SecretStore
    ref: SecretRef
    consumer_view: Callable[[], dict[str, object]]
    foreign_write: Callable[[dict[str, str]], None]

    def prepared(self) -> VersionId:
        """Its marker's revision."""
        return self.store.prepare(self.ref)

    def stage(self, candidate: CandidateId, text: str, fence: int = 1, operation: OperationId = OP) -> VersionId:
        """Stage `value(text)`."""
        return self.store.stage(self.ref, operation, candidate, value(text), fence=fence)

    def issued(self, candidate: CandidateId, text: str, *, expected: VersionId | None = None) -> VersionId:
        """Stage and promote."""
        expected = expected or self.store.describe(self.ref).revision
        self.stage(candidate, text)
        return self.store.promote(self.ref, candidate, expected=expected)

    def current(self) -> SecretValue:
        """The current value."""
        return self.store.read(self.ref, VersionStage.CURRENT).value

    def stages(self) -> dict[str, str]:
        """Which candidate plays which role."""
        state = self.store.describe(self.ref)
        roles = {"current": state.current, "previous": state.previous, "retiring": state.retiring}
        found = {name: str(summary.candidate) for name, summary in roles.items() if summary is not None}
        return found | {f"pending {item.candidate}": str(item.candidate) for item in state.pending}


class StoreContract:
    """The suite."""

    def test_absent_secret_is_described_as_absent(self, bench: StoreBench) -> None:
        """Absent secret is described as absent."""
        state = bench.store.describe(bench.ref)
        assert not state.exists
        assert state.revision == ""

    def test_prepare_writes_an_empty_marker_once(self, bench: StoreBench) -> None:
        """Prepare writes an empty marker once."""
        first = bench.prepared()
        assert bench.prepared() == first
        state = bench.store.describe(bench.ref)
        assert (state.exists, state.marker, state.revision, state.current) == (True, True, first, None)
        with pytest.raises(NotFoundError):
            bench.current()

    def test_prepare_refuses_a_value_that_is_not_ours(self, bench: StoreBench) -> None:
        """Prepare refuses a value that is not ours."""
        bench.foreign_write({"token": "theirs"})
        with pytest.raises(LostRaceError):
            bench.prepared()
        assert bench.current()["token"].get_secret_value() == "theirs"

    def test_staging_before_prepare_makes_nothing_current(self, bench: StoreBench) -> None:
        """Staging before prepare makes nothing current."""
        with pytest.raises(RemoteServiceError):
            bench.stage(FIRST, "one")
        assert bench.store.describe(bench.ref).current is None

    def test_staging_leaves_current_alone_and_reads_back(self, bench: StoreBench) -> None:
        """Staging leaves current alone and reads back."""
        bench.prepared()
        bench.issued(FIRST, "one")
        before = bench.store.describe(bench.ref).revision
        version = bench.stage(SECOND, "two")
        assert bench.current() == value("one")
        assert bench.store.read(bench.ref, version).value == value("two")
        assert bench.store.read(bench.ref, VersionStage.PENDING).value == value("two")
        assert bench.store.describe(bench.ref).revision == before

    def test_pending_summary_says_who_staged_it(self, bench: StoreBench) -> None:
        """Pending summary says who staged it."""
        bench.prepared()
        version = bench.stage(FIRST, "one")
        (pending,) = bench.store.describe(bench.ref).pending
        assert (pending.version, pending.operation, pending.candidate) == (version, OP, FIRST)
        stored = bench.store.read(bench.ref, version)
        assert (stored.summary.operation, stored.summary.candidate) == (OP, FIRST)

    @pytest.mark.parametrize("fence", [1, 2], ids=["same fence", "after a takeover"])
    def test_staging_again_gives_the_same_version(self, bench: StoreBench, fence: int) -> None:
        """Staging again gives the same version."""
        bench.prepared()
        version = bench.stage(FIRST, "one")
        assert bench.stage(FIRST, "one", fence=fence) == version
        assert bench.stages() == {"pending cand-1": "cand-1"}

    @pytest.mark.parametrize("fence", [1, 2], ids=["same fence", "after a takeover"])
    def test_staging_another_value_as_the_same_candidate_is_refused(self, bench: StoreBench, fence: int) -> None:
        """Staging another value as the same candidate is refused."""
        bench.prepared()
        version = bench.stage(FIRST, "one")
        with pytest.raises(LostRaceError):
            bench.stage(FIRST, "other", fence=fence)
        assert bench.store.read(bench.ref, version).value == value("one")

    def test_two_candidates_can_wait_side_by_side(self, bench: StoreBench) -> None:
        """Two candidates can wait side by side."""
        bench.prepared()
        bench.stage(FIRST, "one")
        bench.stage(SECOND, "two")
        assert bench.stages() == {"pending cand-1": "cand-1", "pending cand-2": "cand-2"}
        with pytest.raises(NotFoundError):
            bench.store.read(bench.ref, VersionStage.PENDING)

    def test_of_two_runs_that_stage_one_candidate_one_wins(self, bench: StoreBench) -> None:
        """Of two runs that stage one candidate one wins."""
        bench.prepared()
        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(bench.stage, FIRST, text, fence) for text, fence in (("one", 1), ("two", 2))]
        lost = [run for run in runs if run.exception() is not None]
        assert [type(run.exception()) for run in lost] == [LostRaceError]
        winner = next(run for run in runs if run not in lost)
        assert bench.stages() == {"pending cand-1": "cand-1"}
        assert bench.store.read(bench.ref, winner.result()).value in (value("one"), value("two"))

    def test_of_two_runs_that_promote_one_wins(self, bench: StoreBench) -> None:
        """Of two runs that promote one wins."""
        revision = bench.prepared()
        bench.stage(FIRST, "one")
        bench.stage(SECOND, "two")
        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(bench.store.promote, bench.ref, item, expected=revision) for item in (FIRST, SECOND)]
        lost = [run for run in runs if run.exception() is not None]
        assert [type(run.exception()) for run in lost] == [LostRaceError]
        assert bench.store.describe(bench.ref).previous is None

    def test_first_promotion_replaces_the_marker(self, bench: StoreBench) -> None:
        """First promotion replaces the marker."""
        marker = bench.prepared()
        promoted = bench.issued(FIRST, "one", expected=marker)
        state = bench.store.describe(bench.ref)
        assert bench.stages() == {"current": "cand-1"}
        assert (state.marker, state.revision) == (False, promoted)
        assert bench.current() == value("one")

    def test_promotion_moves_current_to_previous(self, bench: StoreBench) -> None:
        """Promotion moves current to previous."""
        bench.prepared()
        bench.issued(FIRST, "one")
        bench.issued(SECOND, "two")
        assert bench.stages() == {"current": "cand-2", "previous": "cand-1"}
        assert bench.store.read(bench.ref, VersionStage.PREVIOUS).value == value("one")

    def test_consumers_see_the_fields_at_the_top(self, bench: StoreBench) -> None:
        """Consumers see the fields at the top."""
        bench.prepared()
        bench.issued(FIRST, "one")
        bench.issued(SECOND, "two")
        seen = bench.consumer_view()
        assert {name: seen[name] for name in ("id", "token")} == {"id": "id-two", "token": 'two-"ä\n'}
        assert set(seen) == {"id", "token", "_lifecycle"}

    def test_promoting_again_gives_the_same_version(self, bench: StoreBench) -> None:
        """Promoting again gives the same version."""
        revision = bench.prepared()
        promoted = bench.issued(FIRST, "one")
        assert bench.store.promote(bench.ref, FIRST, expected=revision) == promoted
        assert bench.stages() == {"current": "cand-1"}

    def test_promotion_over_an_unexpected_version_is_refused(self, bench: StoreBench) -> None:
        """Promotion over an unexpected version is refused."""
        bench.prepared()
        revision = bench.issued(FIRST, "one")
        bench.foreign_write({"token": "theirs"})
        bench.stage(SECOND, "two")
        with pytest.raises(LostRaceError):
            bench.store.promote(bench.ref, SECOND, expected=revision)
        assert bench.current()["token"].get_secret_value() == "theirs"
        assert bench.store.describe(bench.ref).revision != revision

    def test_next_operation_may_use_the_same_candidate_name(self, bench: StoreBench) -> None:
        """Next operation may use the same candidate name."""
        bench.prepared()
        first = bench.issued(FIRST, "one")
        bench.stage(FIRST, "two", operation=OperationId("op 2"))
        assert [item.operation for item in bench.store.describe(bench.ref).pending] == ["op 2"]
        second = bench.store.promote(bench.ref, FIRST, expected=first)
        assert second != first
        assert bench.current() == value("two")
        assert bench.store.read(bench.ref, VersionStage.PREVIOUS).value == value("one")
        bench.store.discard(bench.ref, FIRST)
        assert bench.stages() == {"current": "cand-1", "previous": "cand-1"}

    def test_promotion_of_what_was_never_staged_is_refused(self, bench: StoreBench) -> None:
        """Promotion of what was never staged is refused."""
        revision = bench.prepared()
        with pytest.raises(NotFoundError):
            bench.store.promote(bench.ref, FIRST, expected=revision)

    def test_seal_moves_previous_to_retiring_once(self, bench: StoreBench) -> None:
        """Seal moves previous to retiring once."""
        bench.prepared()
        bench.issued(FIRST, "one")
        promoted = bench.issued(SECOND, "two")
        sealed = bench.store.seal(bench.ref, expected=promoted)
        assert bench.store.seal(bench.ref, expected=promoted) == sealed
        assert bench.stages() == {"current": "cand-2", "retiring": "cand-1"}
        assert bench.store.describe(bench.ref).revision == sealed
        assert bench.store.read(bench.ref, VersionStage.RETIRING).value == value("one")
        with pytest.raises(NotFoundError):
            bench.store.read(bench.ref, VersionStage.PREVIOUS)

    def test_seal_is_refused_once_somebody_else_wrote(self, bench: StoreBench) -> None:
        """Seal is refused once somebody else wrote."""
        bench.prepared()
        bench.issued(FIRST, "one")
        promoted = bench.issued(SECOND, "two")
        bench.foreign_write({"token": "theirs"})
        with pytest.raises(LostRaceError):
            bench.store.seal(bench.ref, expected=promoted)
        assert "retiring" not in bench.stages()

    def test_seal_without_previous_changes_nothing_visible(self, bench: StoreBench) -> None:
        """Seal without previous changes nothing visible."""
        bench.prepared()
        promoted = bench.issued(FIRST, "one")
        sealed = bench.store.seal(bench.ref, expected=promoted)
        assert bench.store.describe(bench.ref).revision == sealed
        assert bench.stages() == {"current": "cand-1"}

    def test_sealed_value_cannot_be_restored(self, bench: StoreBench) -> None:
        """Sealed value cannot be restored."""
        bench.prepared()
        bench.issued(FIRST, "one")
        sealed = bench.store.seal(bench.ref, expected=bench.issued(SECOND, "two"))
        with pytest.raises(LostRaceError):
            bench.store.restore(bench.ref, expected=sealed)
        assert bench.current() == value("two")

    def test_restore_brings_previous_back_and_retires_the_rejected(self, bench: StoreBench) -> None:
        """Restore brings previous back and retires the rejected."""
        bench.prepared()
        bench.issued(FIRST, "one")
        promoted = bench.issued(SECOND, "two")
        restored = bench.store.restore(bench.ref, expected=promoted)
        assert bench.store.restore(bench.ref, expected=promoted) == restored
        assert bench.stages() == {"current": "cand-1", "retiring": "cand-2"}
        assert bench.current() == value("one")
        assert bench.store.describe(bench.ref).revision == restored

    def test_restore_of_a_first_issuance_brings_the_marker_back(self, bench: StoreBench) -> None:
        """Restore of a first issuance brings the marker back."""
        bench.prepared()
        promoted = bench.issued(FIRST, "one")
        bench.store.restore(bench.ref, expected=promoted)
        assert bench.store.describe(bench.ref).marker
        assert bench.stages() == {"retiring": "cand-1"}

    def test_restore_is_refused_once_somebody_else_wrote(self, bench: StoreBench) -> None:
        """Restore is refused once somebody else wrote."""
        bench.prepared()
        bench.issued(FIRST, "one")
        promoted = bench.issued(SECOND, "two")
        bench.foreign_write({"token": "theirs"})
        with pytest.raises(LostRaceError):
            bench.store.restore(bench.ref, expected=promoted)
        assert bench.current()["token"].get_secret_value() == "theirs"

    def test_rotation_goes_on_after_seal_and_after_restore(self, bench: StoreBench) -> None:
        """Rotation goes on after seal and after restore."""
        bench.prepared()
        bench.issued(FIRST, "one")
        bench.store.seal(bench.ref, expected=bench.issued(SECOND, "two"))
        bench.issued(THIRD, "three")
        assert bench.stages() == {"current": "cand-3", "previous": "cand-2", "retiring": "cand-1"}
        restored = bench.store.restore(bench.ref, expected=bench.store.describe(bench.ref).revision)
        assert bench.stages() == {"current": "cand-2", "retiring": "cand-3"}
        fourth = bench.issued(CandidateId("cand-4"), "four", expected=restored)
        bench.store.seal(bench.ref, expected=fourth)
        assert bench.stages() == {"current": "cand-4", "retiring": "cand-2"}

    def test_discard_removes_what_is_pending_and_nothing_else(self, bench: StoreBench) -> None:
        """Discard removes what is pending and nothing else."""
        bench.prepared()
        bench.issued(FIRST, "one")
        version = bench.stage(SECOND, "two")
        for candidate in (SECOND, SECOND, FIRST, THIRD):
            bench.store.discard(bench.ref, candidate)
        assert bench.stages() == {"current": "cand-1"}
        assert bench.current() == value("one")
        assert version not in {item.version for item in bench.store.describe(bench.ref).pending}

    def test_every_described_version_can_be_read_by_its_id(self, bench: StoreBench) -> None:
        """Every described version can be read by its id."""
        bench.prepared()
        bench.issued(FIRST, "one")
        bench.store.seal(bench.ref, expected=bench.issued(SECOND, "two"))
        bench.issued(THIRD, "three")
        bench.stage(CandidateId("cand-4"), "four")
        state = bench.store.describe(bench.ref)
        summaries = [state.current, state.previous, state.retiring, *state.pending]
        texts = [bench.store.read(bench.ref, item.version).value["id"].get_secret_value() for item in summaries if item]
        assert texts == ["id-three", "id-two", "id-one", "id-four"]

    def test_foreign_value_is_described_without_operation(self, bench: StoreBench) -> None:
        """Foreign value is described without operation."""
        bench.prepared()
        bench.issued(FIRST, "one")
        bench.foreign_write({"token": "theirs"})
        current = bench.store.describe(bench.ref).current
        assert current is not None
        assert (current.operation, current.candidate) == ("", "")

    def test_purge_leaves_nothing_to_read_and_a_new_start(self, bench: StoreBench) -> None:
        """Purge leaves nothing to read and a new start."""
        bench.prepared()
        bench.issued(FIRST, "one")
        bench.issued(SECOND, "two")
        bench.stage(THIRD, "three")
        bench.store.purge(bench.ref)
        bench.store.purge(bench.ref)
        assert bench.stages() == {}
        with pytest.raises(NotFoundError):
            bench.current()
        bench.issued(CandidateId("cand-5"), "five", expected=bench.prepared())
        assert bench.stages() == {"current": "cand-5"}

    def test_unknown_version_is_not_found(self, bench: StoreBench) -> None:
        """Unknown version is not found."""
        bench.prepared()
        with pytest.raises(NotFoundError):
            bench.store.read(bench.ref, VersionId("00000000-0000-4000-8000-000000000000"))

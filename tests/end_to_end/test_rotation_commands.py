"""What people ask of rotation beside rotating: plan, rehearse, an unapproved destination, an emergency. One sandbox."""

from __future__ import annotations

from tests.end_to_end.checkout import Checkout


def test_plan_rehearse_and_refuse_what_nobody_approved(checkout: Checkout) -> None:
    checkout.run("apply", ok=True)
    before = checkout.journal()

    plan = checkout.run("rotate", "plan", ok=True)
    assert "policy gate passed" in plan.out and "feature-reader-key: due" in plan.out, plan.text
    dry = checkout.run("rotate", "apply", "--all", "--dry-run", "--output", "json", ok=True).document
    assert {item["quota"] for item in dry["quotas"]} >= {"aws-iam", "datarobot", "secrets-manager-writes"}
    assert dry["gate"]["passed"] and len(dry["rotations"]) == 3

    for name in ("datarobot-agent-key", "feature-reader-key"):
        told = checkout.run("rotate", "rehearse", name)
        assert told.code == 0 and "issue: done in" in told.out and "clean up: done in" in told.out, told.text
        after = checkout.journal()
        assert after[f"{name}.rehearsal"]["outcome"] == "retired"
        assert after[name] == before[name], "the real credential has no new record"
    replaced = checkout.run("rotate", "rehearse", "pipeline-oauth")
    assert replaced.code == 5 and "made by replacing" in replaced.err, replaced.text

    glass = checkout.run("rotate", "all", "--scope", "kind=aws_*", "--break-glass", "--reason", "laptop stolen")
    assert glass.code == 5 and "needs 2 people" in glass.err and "lifecycle approve" in glass.err, glass.text
    assert "1 credentials to rotate" in glass.err and "new values in use in" in glass.err, glass.text

    checkout.edit("access.yaml", "file: {path: feature-reader.json", "file: {path: elsewhere.json")
    refused = checkout.run("rotate", "apply", "feature-reader-key")
    assert refused.code == 5 and "is delivered to file mode 0600, path elsewhere.json" in refused.out, refused.text
    assert "approved" in refused.out and checkout.journal()["feature-reader-key"] == before["feature-reader-key"]
    assert not list(checkout.state.rglob("elsewhere.json"))
    unattended = checkout.run("rotate", "apply", "--due")
    assert unattended.code == 5 and "datarobot-agent-key: not due" in unattended.out, unattended.text

    applied = checkout.run("apply", ok=True)
    assert "newly allowed" in applied.text and "elsewhere.json" in applied.text, applied.text
    checkout.run("rotate", "apply", "feature-reader-key", "--wait", ok=True)
    assert list(checkout.state.rglob("elsewhere.json"))

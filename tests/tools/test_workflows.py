"""Continuous integration runs fixed programs of others, with no more rights than it needs."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
#: To one job of a workflow: it publishes what another has built.
LENT = {
    ("book", "publish"): {"pages": "write", "id-token": "write"},
    ("release", "publish"): {"id-token": "write"},
    ("release", "attest"): {"id-token": "write", "attestations": "write"},
}


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def text(request):
    return request.param.read_text(encoding="utf-8")


def test_actions_are_pinned_by_commit_and_named_by_tag(text):
    uses = re.findall(r"uses:(.*)", text)
    assert uses
    for use in uses:
        assert re.fullmatch(r" actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use), use


def test_an_action_has_one_version():
    uses = {use for path in WORKFLOWS for use in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))}
    assert len({use.split("@")[0] for use in uses}) == len(uses)


def test_rights_are_to_read_and_are_not_kept(text):
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in text and "secrets." not in text
    for name, job in workflow["jobs"].items():
        assert job.get("permissions") == LENT.get((workflow["name"], name))
        for step in job["steps"]:
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


def test_what_is_published_was_built_without_the_right_to_publish():
    """Nothing of the repository runs where the index's token can be had."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))[
        "jobs"
    ]
    assert jobs["publish"]["needs"] == "build" and jobs["publish"]["if"] == "github.ref_type == 'tag'"
    assert not any("checkout" in step.get("uses", "") for step in jobs["publish"]["steps"])
    assert "permissions" not in jobs["build"]
    assert any("twine check --strict" in step.get("run", "") for step in jobs["build"]["steps"])


def test_what_is_published_is_built_from_files_with_known_hashes():
    for name in ("tests", "book", "release"):
        text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
        assert "HASHED" in text


def test_archives_are_attested_and_listed():
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert any("make archives" in step.get("run", "") for step in jobs["build"]["steps"])
    (kept,) = (step for step in jobs["build"]["steps"] if "dist" in str(step.get("with", "")))
    assert kept["with"]["path"] == "dist"
    assert jobs["attest"]["needs"] == "build"
    assert not any("checkout" in step.get("uses", "") for step in jobs["attest"]["steps"])
    (attested,) = (step for step in jobs["attest"]["steps"] if "attest-build" in step["uses"])
    assert attested["with"]["subject-path"] == "dist/*"

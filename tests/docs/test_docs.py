"""What the documents promise is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlc_common.accounting import EXPLANATIONS, HoldReason

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]


def test_every_hold_reason_has_its_sentence_and_remedy_in_the_documents() -> None:
    page = (ROOT / "docs" / "holds.md").read_text(encoding="utf-8")
    assert set(EXPLANATIONS) == set(HoldReason)
    for reason, said in EXPLANATIONS.items():
        assert f"| `{reason.value}` | {said.sentence} | {said.remedy} |" in page


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda path: path.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    for target in targets:
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"

"""The mapper's documents say what the code does: every field of the mapping file, every rule, the published schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mlc_mapper.mapping import json_schema
from mlc_mapper.mapping.model import Mapping
from mlc_mapper.preview import preview

from . import making
from .captured import record

DOCS = Path(__file__).parents[3] / "docs"


def test_the_published_schema_is_that_of_the_code() -> None:
    """After a change: write ``json_schema()`` to the file, and look at the difference."""
    published = json.loads((DOCS / "schemas" / "mapping.schema.json").read_text(encoding="utf-8"))
    assert published == json_schema()


def test_every_field_of_the_mapping_file_is_explained() -> None:
    page = (DOCS / "mapping.md").read_text(encoding="utf-8")
    for name, field in Mapping.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        if inner is None:
            assert f"`{name}`" in page
        for part in inner or ():
            assert f"`{name}.{part}`" in page or (f"`{name}." in page and f"`.{part}`" in page), f"{name}.{part}"


def test_every_rule_that_excludes_is_explained() -> None:
    source = Path(making.__file__).parents[1] / "src" / "mlc_mapper" / "woocommerce"
    text = "".join(path.read_text(encoding="utf-8") for path in source.glob("*.py"))
    rules = set(re.findall(r'Rule\("(\w+)"', text)) | {"not_paid", "refunded_unpaid", "cancelled", "deleted"}
    page = (DOCS / "mapping.md").read_text(encoding="utf-8")
    assert rules >= {"zero_total", "before_cut_over", "zero_amount"}
    for rule in (*rules, "refund_after_cancellation"):
        assert f"| `{rule}` |" in page


def test_the_preview_s_example_is_what_the_code_says() -> None:
    page = (DOCS / "preview.md").read_text(encoding="utf-8")
    example = json.loads(page.split("## Example")[1].split("shortened:")[1])
    (said,), (made,) = example["documents"], preview(record("guest-paid"), making.mapping())["documents"]
    assert {name: made[name] for name in said} == said
    named = set(re.findall(r"`(\w+)`", page.split("### `documents`")[1].split("### `holds`")[0]))
    assert set(made) | set(made["party"]) | set(made["lines"][0]) <= named

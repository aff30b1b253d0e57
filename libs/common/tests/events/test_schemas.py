"""Events stay readable: the published schemas are those of the code, and no change breaks who rests on them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from mlc_common.accounting import Invoice, Line, LineKind, Party, Placement, Source, Tax
from mlc_common.events import EVENTS, Command, DocumentWish, Outcome
from mlc_common.events.compatibility import incompatibilities
from mlc_common.events.schemas import breaking, main, outdated, published, schema_of

PUBLISHED = Path(__file__).parents[4] / "docs" / "schemas"

Change = Callable[[dict[str, Any]], None]


def test_no_published_event_has_changed_incompatibly() -> None:
    assert breaking(published(PUBLISHED)) == []


def test_the_published_schemas_are_those_of_the_code() -> None:
    assert outdated(published(PUBLISHED)) == [], "run `make schemas`"
    assert set(published(PUBLISHED)) == {event.event_type for event in EVENTS}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)
def test_each_schema_is_a_schema(event: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(schema_of(event))


KEY = UUID(int=7)


def command() -> Command:
    line = Line(
        kind=LineKind.ITEM, net=Decimal("10.00"), account="401.00",
        taxes=(Tax(code="NY", amount=Decimal("0.88"), basis=Decimal("10.00")),),
    )  # fmt: skip
    invoice = Invoice(
        key=KEY, flow="f", number="WA00001", reference="IN-1", date=datetime(2026, 3, 14).date(), currency="USD",
        sources=(Source(connection="wc01", kind="order", id="1"),), party=Party(key=KEY, external_key="1", name="A"),
        placement=Placement(rule="fixed", project="P"), lines=(line,), net=Decimal("10.00"), tax=Decimal("0.88"),
        total=Decimal("10.88"),
    )  # fmt: skip
    return Command(
        command_id=KEY, document_key=KEY, flow="f", order_key="o", seq=1, kind="invoice",
        wish=DocumentWish(document=invoice), cause="c", content_digest="d",
    )  # fmt: skip


def test_what_is_written_fits_the_published_schema() -> None:
    outcome = Outcome(
        document_key=KEY, command_id=KEY, flow="f", order_key="o", kind="invoice", seq=1, place=1, version=1,
        state="posted", total=Decimal("10.88"), fencing=1, at=datetime(2026, 3, 14, tzinfo=UTC),
    )  # fmt: skip
    schemas = published(PUBLISHED)
    for event in (command(), outcome):
        validator = jsonschema.Draft202012Validator(schemas[event.event_type])
        validator.validate(event.model_dump(mode="json"))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**outcome.model_dump(mode="json"), "seq": "one"})


# -- the check notices what it must, and nothing else


def changed(change: Change, model: type = Command) -> list[str]:
    """What the check says of a change to a schema."""
    new = copy.deepcopy(schema_of(model))
    change(new)
    return incompatibilities(schema_of(model), new)


def fields(schema: dict[str, Any], model: str = "") -> dict[str, Any]:
    found: dict[str, Any] = (schema["$defs"][model] if model else schema)["properties"]
    return found


def remove(schema: dict[str, Any]) -> None:
    del fields(schema)["mapping_version"]


def remove_in_a_line(schema: dict[str, Any]) -> None:
    del fields(schema, "Line")["sku"]


def rename(schema: dict[str, Any]) -> None:
    fields(schema)["reason_for_it"] = fields(schema).pop("cause")


def require(schema: dict[str, Any]) -> None:
    schema["required"].append("released")


def add_required(schema: dict[str, Any]) -> None:
    fields(schema, "Invoice")["due"] = {"type": "string", "format": "date"}
    schema["$defs"]["Invoice"]["required"].append("due")


def no_longer_require(schema: dict[str, Any]) -> None:
    schema["required"].remove("cause")


def another_type(schema: dict[str, Any]) -> None:
    fields(schema)["seq"]["type"] = "string"


def narrower_type(schema: dict[str, Any]) -> None:
    fields(schema)["cause"] = {"type": "string", "format": "uuid"}


def no_null(schema: dict[str, Any]) -> None:
    fields(schema, "Withdrawn")["date"] = {"type": "string", "format": "date", "default": None}


def null_too(schema: dict[str, Any]) -> None:
    fields(schema)["cause"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def fewer_values(schema: dict[str, Any]) -> None:
    schema["$defs"]["LineKind"]["enum"].remove("gift_card")


def another_constant(schema: dict[str, Any]) -> None:
    fields(schema, "HeldWish")["wish"]["const"] = "on_hold"


def only_some_values(schema: dict[str, Any]) -> None:
    fields(schema)["flow"]["enum"] = ["a", "b"]


def tighter_bound(schema: dict[str, Any]) -> None:
    fields(schema)["seq"]["minimum"] = 2


def looser_bound(schema: dict[str, Any]) -> None:
    del fields(schema, "Invoice")["lines"]["minItems"]


def other_items(schema: dict[str, Any]) -> None:
    fields(schema, "Invoice")["lines"]["items"] = {"type": "string"}


def one_kind_less(schema: dict[str, Any]) -> None:
    wish = fields(schema)["wish"]
    wish["oneOf"] = [each for each in wish["oneOf"] if "Withdrawn" not in each["$ref"]]


def another_default(schema: dict[str, Any]) -> None:
    fields(schema)["released"]["default"] = True


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (remove, "event.mapping_version: removed or renamed"),
        (remove_in_a_line, "lines[].sku: removed or renamed"),
        (rename, "event.cause: removed or renamed"),
        (require, "event.released: required now"),
        (add_required, "document.due: new and required"),
        (no_longer_require, "event.cause: no longer required"),
        (another_type, "event.seq: no longer integer"),
        (narrower_type, "event.cause: no longer string"),
        (no_null, "wish.date: no longer null"),
        (null_too, "event.cause: may now be null"),
        (fewer_values, "gift_card no longer allowed"),
        (another_constant, "no longer object of wish=held"),
        (only_some_values, "event.flow: not every value is allowed now"),
        (tighter_bound, "event.seq: minimum is 2, was 1"),
        (looser_bound, "minItems is gone, was 1"),
        (other_items, "lines[]: no longer object"),
        (one_kind_less, "event.wish: no longer object of wish=withdrawn"),
        (another_default, "event.released: another default"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_incompatible_change_is_noticed_and_named(change: Change, says: str) -> None:
    assert any(says in each for each in changed(change)), changed(change)


def test_other_values_in_a_map_are_noticed() -> None:
    def change(schema: dict[str, Any]) -> None:
        fields(schema)["erp_ids"]["additionalProperties"] = {"type": "integer"}

    assert changed(change, Outcome) == [
        "event.erp_ids{}: no longer string",
        "event.erp_ids{}: may now be integer, which old readers refuse",
    ]


def add_optional(schema: dict[str, Any]) -> None:
    fields(schema, "Line")["weight"] = {"type": "string", "default": ""}


def add_a_value(schema: dict[str, Any]) -> None:
    schema["$defs"]["LineKind"]["enum"].append("deposit")


def add_a_kind(schema: dict[str, Any]) -> None:
    schema["$defs"]["Postponed"] = {
        "type": "object",
        "properties": {"wish": {"type": "string", "const": "postponed", "default": "postponed"}},
    }
    fields(schema)["wish"]["oneOf"].append({"$ref": "#/$defs/Postponed"})


def describe(schema: dict[str, Any]) -> None:
    schema["description"] = "In other words."
    fields(schema)["flow"]["title"] = "The flow"


def rename_a_model(schema: dict[str, Any]) -> None:
    schema["$defs"]["Row"] = schema["$defs"].pop("Line")
    for model in ("Invoice", "CreditNote"):
        fields(schema, model)["lines"]["items"] = {"$ref": "#/$defs/Row"}


@pytest.mark.parametrize("change", [add_optional, add_a_value, add_a_kind, describe, rename_a_model])
def test_a_compatible_change_is_let_through(change: Change) -> None:
    assert changed(change) == []


def test_a_model_that_holds_itself_is_compared_once() -> None:
    tree = {
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "properties": {"child": {"$ref": "#/$defs/Node"}}}},
    }

    assert incompatibilities(tree, tree) == []


class TestTheCommand:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        assert main(["write", str(tmp_path)]) == 0
        return tmp_path

    def test_it_writes_every_event_and_then_finds_nothing_to_say(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert len(list(folder.iterdir())) == len(EVENTS)
        assert main(["check", str(folder)]) == 0
        assert capsys.readouterr().err == ""

    def test_it_refuses_to_write_over_what_would_break(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = folder / "mlc.command.v1.schema.json"
        schema = json.loads(file.read_text())
        schema["properties"]["once"] = {"type": "string"}
        file.write_text(json.dumps(schema))
        before = file.read_text()

        assert main(["write", str(folder)]) == 1
        assert file.read_text() == before
        assert "mlc.command.v1: event.once: removed or renamed" in capsys.readouterr().err

    def test_it_notices_an_event_that_is_gone(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "mlc.forgotten.v1.schema.json").write_text("{}")

        assert main(["check", str(folder)]) == 1
        assert "mlc.forgotten.v1: the event is gone" in capsys.readouterr().err

    def test_it_says_what_is_out_of_date(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "mlc.party.v1.schema.json").unlink()

        assert main(["check", str(folder)]) == 1
        assert "mlc.party.v1; run `make schemas`" in capsys.readouterr().err
        assert main(["write", str(folder)]) == 0
        assert main(["check", str(folder)]) == 0

    def test_it_leaves_other_schemas_alone(self, folder: Path) -> None:
        (folder / "mapping.schema.json").write_text("{}")

        assert main(["check", str(folder)]) == 0

    @pytest.mark.parametrize("arguments", [["erase"], ["write", "a", "b"]])
    def test_it_says_how_it_is_used(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(arguments) == 2
        assert "usage" in capsys.readouterr().err

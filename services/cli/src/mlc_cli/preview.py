"""`mlc preview`: what would be posted for stored records, offline, without Kafka or database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlc_cli.mappings import load_mapping, reader
from mlc_cli.output import Json, harmless, people, print_json, say, telling_errors
from mlc_common import exactjson
from mlc_common.errors import ConfigurationError, Undecodable


def preview(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Records as the store's REST API answers them.")],
    store: Annotated[str, typer.Option(help="Kind of store.")] = "woocommerce",
    erp: Annotated[str, typer.Option(help="Kind of ERP.")] = "deltek",
    mapping: Annotated[Path | None, typer.Option(help="Mapping file; the shipped example without it.")] = None,
    as_json: Json = False,
) -> None:
    """Show what would be posted for stored orders, offline.

    A file holds {"order": {…}, "refunds": [{…}]} as the store's REST API
    answers it, see docs/preview.md. Needs neither Kafka nor a database.

    \b
    Example:
      mlc preview --store woocommerce --erp deltek --mapping web.yaml order.json
    """
    with telling_errors(as_json=as_json):
        rules = load_mapping(mapping)
        if (store, erp) != (rules.store_kind, rules.erp_kind):
            raise ConfigurationError(f"the mapping is for {rules.store_kind} to {rules.erp_kind}, not {store} to {erp}")
        answers = [_answer(path, rules) for path in files]
        if as_json:
            print_json(answers[0] if len(answers) == 1 else answers)
            return
        for path, answer in zip(files, answers, strict=True):
            _show(path, answer)


def _answer(path: Path, rules: Any) -> dict[str, Any]:
    record = _record(path)
    try:
        answer: dict[str, Any] = reader("preview")(record, rules)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    return answer


def _record(path: Path) -> Any:
    try:
        return exactjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except Undecodable as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _show(path: Path, answer: dict[str, Any]) -> None:
    say((str(path), "bold"))
    for document in answer["documents"]:
        kind = document["type"].replace("_", " ")
        say(
            (f"{kind} {document['number']}", "bold"),
            f" of {document['date']}, {document['party'].get('name', '')}: {document['total']} {document['currency']} "
            f"(net {document['net']}, tax {document['tax']})",
            indent=2,
        )
        people.print(Padding(_lines(document["lines"]), (0, 0, 0, 1)))
    for hold in answer["holds"]:
        say(("held", "yellow"), f" {hold['reason']}: {hold['detail']}", indent=2)
        say(f"What to do: {hold['fix']}", indent=4)
    for left_out in answer["excluded"]:
        say(("left out", "yellow"), f" {left_out['rule']}: {left_out['detail']}", indent=2)


def _lines(lines: list[dict[str, Any]]) -> Table:
    table = Table(header_style="bold", box=box.SIMPLE_HEAD)
    for name in ("kind", "SKU", "description", "account"):
        table.add_column(name, overflow="fold")
    for name in ("quantity", "net", "tax"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(
            *(_text(line[name]) for name in ("kind", "sku", "description", "account", "quantity", "net", "tax"))
        )
    return table


def _text(value: Any) -> Text:
    return Text("" if value is None else harmless(str(value)))

"""`mlc preview`: what would be posted for stored records, offline, without Kafka or database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from mlc_cli.mappings import load_mapping, reader
from mlc_cli.output import Json, people, print_json, telling_errors
from mlc_common import exactjson
from mlc_common.errors import ConfigurationError, Undecodable


def preview(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Records as the store's REST API answers them.")],
    store: Annotated[str, typer.Option(help="Kind of store.")] = "woocommerce",
    erp: Annotated[str, typer.Option(help="Kind of ERP.")] = "deltek",
    mapping: Annotated[Path | None, typer.Option(help="Mapping file; the shipped example without it.")] = None,
    as_json: Json = False,
) -> None:
    """Map stored records offline and print what would be posted. FILE holds {"order": …, "refunds": […], …}.

    Example: mlc preview --store woocommerce --erp deltek --json order-17.json
    """
    with telling_errors(as_json=as_json):
        rules = load_mapping(mapping)
        if (store, erp) != (rules.store_kind, rules.erp_kind):
            raise ConfigurationError(f"the mapping is for {rules.store_kind} to {rules.erp_kind}, not {store} to {erp}")
        answers = [reader("preview")(_record(path), rules) for path in files]
        if as_json:
            print_json(answers[0] if len(answers) == 1 else answers)
            return
        for path, answer in zip(files, answers, strict=True):
            _show(path, answer)


def _record(path: Path) -> Any:
    try:
        return exactjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except Undecodable as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _show(path: Path, answer: dict[str, Any]) -> None:
    people.print(f"[bold]{path}[/bold]")
    for document in answer["documents"]:
        title = f"{document['type']} {document['number']} of {document['date']}, {document['party'].get('name', '')}"
        table = Table(
            "kind", "SKU", "description", "quantity", "net", "tax", "account", title=title, title_justify="left"
        )
        for line in document["lines"]:
            cells = (line[name] for name in ("kind", "sku", "description", "quantity", "net", "tax", "account"))
            table.add_row(*(str(cell if cell is not None else "") for cell in cells))
        table.add_section()
        table.add_row(
            "", "", "total", "", document["net"], document["tax"], f"{document['total']} {document['currency']}"
        )
        people.print(table)
    for hold in answer["holds"]:
        people.print(f"[yellow]held[/yellow] {hold['reason']}: ", end="")
        people.print(hold["detail"], markup=False)
    for left_out in answer["excluded"]:
        people.print(f"excluded {left_out['rule']}: ", end="")
        people.print(left_out["detail"], markup=False)

"""The demo's result as a picture for the documents: what the terminal shows, as SVG without fonts from elsewhere."""

from __future__ import annotations

import io
import re

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from mlc_cli.demo.reconciling import Reconciliation

_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


def drawn(result: Reconciliation) -> str:
    """The result in a window of 90 columns."""
    console = Console(record=True, width=90, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print("[bold]$ make demo[/bold]")
    result.show(console)
    svg = console.export_svg(title="ml-connector", code_format=_FONTS.sub("", CONSOLE_SVG_FORMAT))
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"

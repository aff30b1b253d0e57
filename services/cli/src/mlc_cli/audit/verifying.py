"""`mlc audit verify`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from mlc_cli import environment
from mlc_cli.audit import verdict
from mlc_cli.audit.period import bar, period
from mlc_cli.output import Json, print_json, telling_errors
from mlc_common.audit.kept import Kept
from mlc_common.audit.keys import public_keys
from mlc_common.audit.signing import PublicKey
from mlc_common.audit.verification import Scope, Verified
from mlc_common.audit.verification import verify as prove
from mlc_common.errors import ConfigurationError


def verify(
    *,
    since: Annotated[str, typer.Option("--from", help="Only what the log took from this date or time on (UTC).")] = "",
    until: Annotated[str, typer.Option("--to", help="Only up to this date, whole, or this time (UTC).")] = "",
    topic: Annotated[str, typer.Option(help="Only this topic, with or without the tenant before it.")] = "",
    public_key: Annotated[
        list[Path] | None, typer.Option(help="A public key kept elsewhere, instead of the vault's; may be repeated.")
    ] = None,
    kept: Annotated[
        list[Path] | None, typer.Option(help="A report of an earlier verify --json, kept elsewhere; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove that neither the log nor its audit index was altered.

    Walks every row and its record side by side, then every signed checkpoint.
    Names the first bad place of each partition with what to do about it, and
    ends with status 1 if there is one. An index that is behind the log is told,
    and no error. From one public key it follows the signed changes of the key to
    all others. A kept report proves that nothing before it was altered since, not
    even by somebody who has everything that we have.

    \b
    Examples:
      mlc audit verify
      mlc audit verify --from 2026-11-01 --to 2026-11-30 --public-key auditor.pem
      mlc audit verify --kept november.json
    """
    with telling_errors(as_json=as_json):
        begins, ends = period(since, until)
        scope = Scope(topic=topic, since=begins, until=ends)
        keys = [
            PublicKey.parse(path.read_text(encoding="utf-8", errors="replace"), str(path)) for path in public_key or []
        ]
        reports = [Kept.parse(path.read_bytes(), str(path)) for path in kept or []]
        found, at, tenant = asyncio.run(_verify(scope, keys, reports, show=not as_json))
        if as_json:
            said = {"tenant": tenant, "at": at.isoformat(), "topic": topic, "from": _text(begins), "to": _text(ends)}
            print_json(verdict.as_json(found) | said)
        else:
            verdict.say_verdict(found, scope)
        if found.findings:
            raise typer.Exit(1)


async def _verify(
    scope: Scope, keys: list[PublicKey], kept: list[Kept], *, show: bool
) -> tuple[Verified, datetime, str]:
    async with environment.runtime("audit") as runtime:
        for report in kept:
            if report.tenant != runtime.topics.tenant:
                raise ConfigurationError(f"{report.where} is of the tenant {report.tenant!r}, not of this one")
        keys = keys or await public_keys(runtime.vault)
        brokers = runtime.settings.kafka_bootstrap_servers
        at = runtime.clock.now()
        with bar("verifying", show=show) as progress:
            found = await prove(runtime.pool, brokers, runtime.topics, keys, scope, kept=kept, progress=progress)
        return found, at, runtime.topics.tenant


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None

"""Connects the demo's tenant as a person would: connections, mapping, all through the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlc_cli.mappings import reader
from mlc_cli.rehearsal import ERP, STORE, Rehearsal

UNLIMITED: dict[str, Any] = {"http": {"max_rps": None, "absence_gap_s": 1.0, "post_timeout_s": 10.0}}
"""The demo lifts the budget of five calls a second, at the sandbox and here; a real tenant keeps it, as a real store
keeps its own."""


async def connect(
    rig: Rehearsal,
    *,
    mapping: str | None = None,
    contract: dict[str, Any] | None = None,
    erp_settings: Mapping[str, str] | None = None,
    shop_settings: Mapping[str, str] | None = None,
    erp_secrets: Mapping[str, str] | None = None,
    shop_secrets: Mapping[str, str] | None = None,
) -> None:
    """Store both connections and put the mapping in force.

    Args:
        rig: The tenant.
        mapping: The mapping's text; the shipped example without it.
        contract: What differs from the default tenant contract.
        erp_settings: What differs from the settings that the ERP's connection gets here.
        shop_settings: The same for the store's.
        erp_secrets: What differs from the secrets that a sandbox has unless it is told others.
        shop_secrets: The same for the store's.
    """
    _write_env(rig)
    shop = {"url": rig.shop_url, "allow_private": "true", "rate_per_s": "null", **(shop_settings or {})}
    keys = {"consumer_key": "ck_" + "a1" * 20, "consumer_secret": "cs_" + "b2" * 20, **(shop_secrets or {})}
    erp = {
        "url": f"{rig.erp_url}/Acme/",
        "database": "ACMEPROD",
        "username": "ML_CONNECTOR",
        "company": "00",
        "contract": json.dumps(contract or UNLIMITED),
        "visibility_delay_s": "1",
        "allow_private": "true",
        "allow_http": "true",
        **(erp_settings or {}),
    }
    secrets = {"password": "sandbox-password", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    secrets |= erp_secrets or {}
    await asyncio.gather(
        _add(rig, STORE, "woocommerce", shop, keys),
        _add(rig, ERP, "deltek", erp, secrets),
    )
    file = rig.folder / "mapping.yaml"
    _write(file, mapping or reader("example")())
    await rig.mlc("mapping", "apply", str(file))


async def _add(rig: Rehearsal, name: str, kind: str, settings: dict[str, str], secrets: dict[str, str]) -> None:
    file = rig.folder / f"{name}.secrets.json"
    _write(file, json.dumps(secrets))
    told = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    try:
        await rig.mlc("connection", "add", name, "--kind", kind, *told, "--secrets", str(file))
    finally:
        file.unlink()


def _write(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")


def _write_env(rig: Rehearsal) -> None:
    names = ("MLC_TENANT", "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "MLC_VAULT_KEY_FILE")
    _write(rig.folder / "mlc.env", "".join(f"{name}={rig.environment[name]}\n" for name in names))

"""Faults of the outside systems, as their sandboxes take them: what hosts, networks and vendors do to single calls.

Each takes the schedule's source of chance and gives one planned fault. What is late is late by less than the visibility
delay that the ERP's connection is configured with (``stand.ERP_SETTINGS``); beyond that nothing is promised.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

Fault = dict[str, Any]
Maker = Callable[[Random], Fault]

CREATE: Fault = {"method": "POST", "path": "/DataEntry/inControl"}
RELEASE: Fault = {"method": "PUT", "path": "/PostTransFile"}
DISCARD: Fault = {"method": "DELETE", "path": "/DataEntry/"}
PERIOD: Fault = {"method": "PUT", "path": "/Settings/"}
READ: Fault = {"method": "GET", "path": "/Acme/"}
SIGN_IN: Fault = {"path": "token"}
WRITES = (CREATE, CREATE, RELEASE, RELEASE, DISCARD, PERIOD)
LOGIN_PAGE = "<!DOCTYPE html><html><body>Please log in.</body></html>"


def _lost_answer(chance: Random) -> Fault:
    """The effect is there, the answer is not."""
    kind = chance.choice(("cut_after", "cut_after", "cut_during", "hang_after"))
    return {"kind": kind, "times": chance.randint(1, 2), "skip": chance.randint(0, 2), **chance.choice(WRITES)}


def _lost_request(chance: Random) -> Fault:
    """Neither effect nor answer."""
    kind = chance.choice(("cut_before", "cut_before", "hang_before"))
    return {"kind": kind, "times": chance.randint(1, 2), "skip": chance.randint(0, 2), **chance.choice(WRITES)}


def _late_commit(chance: Random) -> Fault:
    """No answer, and the effect comes when nobody expects it any more."""
    seconds = chance.choice((0.05, 0.2, 0.5))
    return {"kind": "late_commit", "seconds": seconds, "skip": chance.randint(0, 2), **chance.choice(WRITES[:4])}


def _refused_after_effect(chance: Random) -> Fault:
    """Done, and answered as if the server had broken down."""
    body = {"kind": "replace_body", "status": chance.choice((500, 502, 504)), "body": "upstream error"}
    return {**body, "skip": chance.randint(0, 2), **chance.choice(WRITES)}


def _storm(chance: Random) -> Fault:
    """Many calls in a row are turned away."""
    status = chance.choice((429, 429, 500, 503))
    headers = {"Retry-After": "1"} if status == 429 and chance.random() < 0.5 else {}
    return {"kind": "status", "status": status, "headers": headers, "times": chance.randint(2, 12), "path": ""}


def _slow(chance: Random) -> Fault:
    return {"kind": "delay", "seconds": chance.choice((0.2, 0.8)), "times": chance.randint(1, 6), "path": ""}


def _broken_read(chance: Random) -> Fault:
    kind = chance.choice(("cut_before", "cut_during", "hang_before"))
    return {"kind": kind, "times": chance.randint(1, 3), **chance.choice((READ, READ, SIGN_IN))}


def _shop_storm(chance: Random) -> Fault:
    status = chance.choice((429, 500, 503))
    return {"kind": "status", "status": status, "times": chance.randint(1, 6), "path": "/wp-json/"}


def _shop_broken(chance: Random) -> Fault:
    kind = chance.choice(("cut_before", "cut_during", "hang_before"))
    return {"kind": kind, "times": chance.randint(1, 3), "path": "/wp-json/wc/v3/"}


def _shop_login_page(chance: Random) -> Fault:
    """A host that shows a page with status 200 where JSON should be."""
    return {"kind": "replace_body", "body": LOGIN_PAGE, "times": chance.randint(1, 2), "path": "/wc/v3/orders"}


ERP_FAULTS: tuple[Maker, ...] = (
    *(_lost_answer, _lost_answer, _lost_answer, _lost_request, _late_commit, _late_commit),
    *(_refused_after_effect, _storm, _slow, _broken_read),
)
SHOP_FAULTS: tuple[Maker, ...] = (_shop_storm, _shop_broken, _shop_login_page)

"""Asks the service in the same container whether it is alive; for HEALTHCHECK, so it prints nothing and only ends.

Liveness alone: a service whose database is down is not ready, but starting it anew would not help.
"""

from __future__ import annotations

import os
import sys
import urllib.request

PORT = os.environ.get("MLC_METRICS_PORT", "9100")

try:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=5) as answer:
        sys.exit(0 if answer.status == 200 else 1)
except OSError:
    sys.exit(1)

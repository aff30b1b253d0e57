"""What every group of calls needs: the connection to one store."""

from __future__ import annotations

from mlc_vendors.woocommerce.rest import Rest


class StoreSession:
    """Base of the groups of calls; made by ``WooCommerceClient`` alone."""

    _rest: Rest
    _page_size: int

"""The goods, buyers, coupons and taxes that a default sandbox store starts with.

Chosen for what goes wrong in real stores: a sale price, a variation that shows its parent's SKU, no SKU at all,
entities, HTML and non-ASCII in names, virtual and free goods, a class without a rate, buyers abroad and nameless ones.
"""

from __future__ import annotations

from typing import Any

from mlc_sandbox.woocommerce.shop import Shop

TAXES: list[dict[str, Any]] = [
    {"country": "US", "state": "NY", "rate": "4.0000", "name": "NY State", "priority": 1, "shipping": True, "order": 1},
    {
        "country": "US",
        "state": "NY",
        "cities": ["NEW YORK"],
        "rate": "4.8750",
        "name": "NY City",
        "priority": 2,
        "shipping": False,
        "order": 2,
    },
]
SIZES = [
    {"name": "Size", "visible": True, "variation": True, "options": ["S", "L"]},
    {"name": "Colour", "visible": True, "variation": True, "options": ["Red", "Black"]},
]
MUG = {
    "name": "Blue Mug",
    "sku": "MUG-BLUE",
    "regular_price": "13.00",
    "sale_price": "11.70",
    "manage_stock": True,
    "stock_quantity": 100_000,
    "weight": "0.35",
    "description": "<p>A mug</p>",
    "meta_data": [{"key": "erp_item", "value": "ITEM-001"}],
}
TEE = {"name": "Tee Shirt", "type": "variable", "sku": "TEE", "attributes": SIZES}
VARIATIONS: list[dict[str, Any]] = [
    {
        "regular_price": "20.00",
        "sku": "TEE-S-RED",
        "manage_stock": True,
        "stock_quantity": 100_000,
        "attributes": [{"name": "Size", "option": "S"}, {"name": "Colour", "option": "Red"}],
    },
    {
        "regular_price": "22.00",
        "sale_price": "19.99",
        "attributes": [{"name": "Size", "option": "L"}, {"name": "Colour", "option": "Black"}],
    },
]
PRODUCTS: list[dict[str, Any]] = [
    {"name": "No SKU Widget", "regular_price": "9.99"},
    {
        "name": "Tea & Biscuits",
        "sku": "TEA-1",
        "regular_price": "8.50",
        "manage_stock": True,
        "stock_quantity": 100_000,
    },
    {"name": "Poster <em>Night</em> & Day", "sku": "POSTER-ND", "regular_price": "24.95"},
    {"name": "Crème brûlée Ünß “deluxe” 🍮", "sku": "ÜN-ß/1", "regular_price": "7.77"},
    {"name": "E-Book", "sku": "EBOOK-1", "regular_price": "15.00", "virtual": True, "downloadable": True},
    {"name": "Consulting hour", "sku": "CONSULT-H", "regular_price": "120.00", "virtual": True},
    {"name": "Donation", "sku": "DONATION", "regular_price": "25.00", "tax_status": "none", "virtual": True},
    {"name": "Free sample", "sku": "SAMPLE", "regular_price": "0.00"},
    {"name": "Bread", "sku": "BREAD", "regular_price": "3.33", "tax_class": "zero-rate"},
    {
        "name": "Office Chair",
        "sku": "CHAIR-7",
        "regular_price": "149.00",
        "manage_stock": True,
        "stock_quantity": 5_000,
    },
]
CUSTOMERS: list[dict[str, Any]] = [
    {
        "email": "grace@example.test",
        "first_name": "Grace",
        "last_name": "Hopper",
        "username": "grace",
        "billing": {
            "first_name": "Grace",
            "last_name": "Hopper",
            "company": "Navy",
            "address_1": "1 Main St",
            "address_2": "Apt 4",
            "city": "New York",
            "state": "NY",
            "postcode": "10001",
            "country": "US",
            "email": "grace@example.test",
            "phone": "+1 212 555 0199",
        },
        "shipping": {
            "first_name": "Grace",
            "last_name": "Hopper",
            "address_1": "1 Main St",
            "city": "New York",
            "state": "NY",
            "postcode": "10001",
            "country": "US",
        },
    },
    {
        "email": "alan@example.test",
        "first_name": "Alan",
        "last_name": "O'Turing & Søns",
        "username": "alan",
        "billing": {
            "first_name": "Alan",
            "last_name": "O'Turing & Søns",
            "company": "Bletchley Ltd",
            "address_1": "The Mansion",
            "city": "Milton Keynes",
            "postcode": "MK3 6EB",
            "country": "GB",
            "email": "accounts@bletchley.test",
        },
    },
    {"email": "noname@example.test", "username": "noname", "billing": {"email": "noname@example.test"}},
]
COUPONS: list[dict[str, Any]] = [
    {"code": "TEN", "discount_type": "percent", "amount": "10"},
    {"code": "FIVE", "discount_type": "fixed_cart", "amount": "5"},
    {"code": "FREE100", "discount_type": "percent", "amount": "100", "free_shipping": True},
]


def fill(shop: Shop) -> None:
    """Put the default goods into an empty shop; webhooks hear nothing of it."""
    for rate in TAXES:
        shop.tax_rates.create(rate)
    shop.products.create(MUG)
    tee = shop.products.create(TEE)
    for variation in VARIATIONS:
        shop.products.create(variation, parent_id=tee.id)
    for product in PRODUCTS:
        shop.products.create(product)
    for customer in CUSTOMERS:
        shop.customers.create(customer)
    for coupon in COUPONS:
        shop.coupons.create(coupon)
    shop.store.events.clear()

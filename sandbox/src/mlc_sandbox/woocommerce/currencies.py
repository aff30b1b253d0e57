"""Currency symbols as WooCommerce shows them in ``currency_symbol``; a code without one shows itself."""

from __future__ import annotations

SYMBOLS = {
    "AED": "\u062f.\u0625",
    "AUD": "$",
    "BHD": ".د.ب",
    "BRL": "R$",
    "CAD": "$",
    "CHF": "CHF",
    "CLP": "$",
    "CNY": "¥",
    "CZK": "Kč",
    "DKK": "kr.",
    "EUR": "€",
    "GBP": "£",
    "HKD": "$",
    "HUF": "Ft",
    "ILS": "₪",
    "INR": "₹",
    "ISK": "kr.",
    "JOD": "\u062f.\u0627",
    "JPY": "¥",
    "KRW": "₩",
    "KWD": "د.ك",
    "MXN": "$",
    "NOK": "kr",
    "NZD": "$",
    "OMR": "ر.ع.",
    "PLN": "zł",
    "SEK": "kr",
    "SGD": "$",
    "TND": "د.ت",
    "USD": "$",
    "ZAR": "R",
}


def symbol_of(currency: str) -> str:
    """The symbol of a currency code."""
    return SYMBOLS.get(currency, currency)

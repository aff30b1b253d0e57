"""WooCommerce's orders and refunds: read into values, judged by their status, mapped to documents. Pure."""

"""WooCommerce: REST API v3 and webhooks. Facts: the project's WooCommerce facts sheet; its sections are cited here."""

"""A faithful WooCommerce store: REST v3, webhooks and their queue, and a shopper to drive it.

Its behaviour rests on the project's WooCommerce facts sheet and on captured traffic of a real 11.0.1 store. It imports
nothing of ours outside mlc_sandbox.
"""

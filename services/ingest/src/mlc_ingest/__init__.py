"""The HTTP gateway for webhooks: what a store signed is on the log before it is answered 200."""

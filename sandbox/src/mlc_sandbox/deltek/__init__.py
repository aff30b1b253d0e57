"""A faithful and hostile Deltek Vantagepoint tenant: state, oddities, refusals and accounting effects in memory.

It imitates what the facts sheet of Deltek says, section by section; it must never be kinder than the real server.
It knows nothing of ml-connector: it could serve any client.
"""

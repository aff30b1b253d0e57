"""The hot path: ``POST /hooks/{connection}`` from the first byte to the answer, as a plain ASGI app.

200 only after the broker acknowledged the event, or to a ping; 503 when it did not in time; a refusal otherwise. No
framework, no database, no vendor here. Everything that is not below ``/hooks/`` goes to the app behind.
"""

from __future__ import annotations

import structlog

from mlc_common import crash
from mlc_common.clock import Clock
from mlc_common.errors import Retryable
from mlc_common.events import Topics
from mlc_ingest import admission
from mlc_ingest.admission import Admitted, Claim, Ping, Reason, Refused
from mlc_ingest.asgi import Answer, App, Receive, Scope, Send
from mlc_ingest.bodies import Bodies, Gone, TooBusy, TooLarge, TooSlow
from mlc_ingest.broker import Log
from mlc_ingest.counting import Counting, Trouble
from mlc_ingest.refusals import Refusals
from mlc_ingest.secrets import ActiveSecrets, Secrets
from mlc_ingest.tracing import recording, traced

PREFIX = "/hooks/"
RETRY_AFTER_S = 10
_SAY_EVERY_S = 5.0

OK = Answer(200)
_RETRY_AFTER = (b"retry-after", str(RETRY_AFTER_S).encode())
UNAVAILABLE = Answer(503, "not taken: try again later", (_RETRY_AFTER,))
BUSY = Answer(503, "too much at once: try again later", (_RETRY_AFTER,))
REFUSALS = {
    Reason.WRONG_METHOD: Answer(405, "webhooks are POSTed here", ((b"allow", b"POST"),)),
    Reason.UNKNOWN_CONNECTION: Answer(404, "no such connection"),
    Reason.COMPRESSED: Answer(415, "send the body uncompressed"),
    Reason.OVERSIZE: Answer(413, "the body is too large"),
    Reason.TOO_SLOW: Answer(408, "the body took too long"),
    **dict.fromkeys(
        (Reason.NO_SIGNATURE, Reason.SEVERAL_SIGNATURES, Reason.MALFORMED_SIGNATURE, Reason.BAD_SIGNATURE),
        Answer(401, "not signed with this connection's secret"),
    ),
}

_log = structlog.get_logger(__name__)


class Gateway:
    """The ASGI app.

    Args:
        topics: The tenant's topics.
        secrets: Active webhook secrets by connection.
        log: Where webhooks are appended.
        bodies: How bodies are read.
        refusals: Told of everything that is not let in.
        counting: The metrics.
        clock: The time of receipt.
        behind: Answers everything that is no webhook.
    """

    def __init__(
        self,
        *,
        topics: Topics,
        secrets: Secrets,
        log: Log,
        bodies: Bodies,
        refusals: Refusals,
        counting: Counting,
        clock: Clock,
        behind: App,
    ) -> None:
        self._topics, self._secrets, self._log = topics, secrets, log
        self._bodies, self._refusals, self._counting = bodies, refusals, counting
        self._clock, self._behind = clock, behind
        self._recording = recording()
        self._said_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._behind(scope, receive, send)
            return
        connection = scope["path"][len(PREFIX) :]
        secrets = self._secrets.of(connection)
        if secrets is None:
            await self._unknown(connection, scope, receive, send)
            return
        head = admission.look_at_head(scope["method"], connection, scope["headers"])
        if isinstance(head, Refused):
            await self._refuse(connection, head, scope, receive, send)
            return
        await self._with_body(head, secrets, scope, receive, send)

    async def _unknown(self, connection: str, scope: Scope, receive: Receive, send: Send) -> None:
        """A connection may have been added just now; else nobody is here, whatever is asked."""
        if scope["method"] != "POST":
            await self._refuse(None, Refused(Reason.WRONG_METHOD), scope, receive, send)
        elif await self._secrets.newest(connection) is not None:
            await self(scope, receive, send)
        elif not self._secrets.current:
            self._counting.troubled("", Trouble.SECRETS_UNAVAILABLE)
            await self._turn_away(UNAVAILABLE, scope, receive, send)
        else:
            await self._refuse(None, Refused(Reason.UNKNOWN_CONNECTION), scope, receive, send)

    async def _with_body(
        self, claim: Claim, secrets: ActiveSecrets, scope: Scope, receive: Receive, send: Send
    ) -> None:
        limit = admission.PING_LIMIT if claim.signature is None else None
        try:
            body = await self._bodies.read(receive, announced=claim.headers.get(b"content-length"), limit=limit)
        except TooLarge:
            reason = Reason.OVERSIZE if limit is None else Reason.NO_SIGNATURE
            await self._refuse(claim.connection, Refused(reason), scope, receive, send)
        except TooSlow:
            self._note(claim.connection, Refused(Reason.TOO_SLOW), scope)
            await REFUSALS[Reason.TOO_SLOW].send(send, close=True)
        except TooBusy:
            self._counting.troubled(claim.connection, Trouble.BUSY)
            await self._turn_away(BUSY, scope, receive, send)
        except Gone:
            return
        else:
            try:
                decision = self._admit(claim, body, secrets)
                if not isinstance(decision, Admitted):
                    decision = await self._second_look(claim, body, secrets, decision)
                if isinstance(decision, Admitted):
                    answer = await self._append(claim.connection, decision)
                else:
                    answer = self._without(claim.connection, decision, body)
            finally:
                self._bodies.release(body)
            await answer.send(send)

    async def _second_look(
        self, claim: Claim, body: bytes, secrets: ActiveSecrets, decision: Ping | Refused
    ) -> Admitted | Ping | Refused:
        """The secret may have been replaced just now, and a store never sends a webhook twice."""
        if isinstance(decision, Refused) and decision.reason is Reason.BAD_SIGNATURE:
            newest = await self._secrets.newest(claim.connection)
            if newest is not None and newest != secrets:
                return self._admit(claim, body, newest)
        return decision

    def _without(self, connection: str, decision: Ping | Refused, body: bytes) -> Answer:
        """The answer to what leaves nothing on the raw topics."""
        if isinstance(decision, Ping):
            self._counting.ping(connection)
            return OK
        self._counting.refused(connection, decision.reason)
        self._refusals.note(connection, decision, size=len(body), body=body)
        return REFUSALS[decision.reason]

    def _admit(self, claim: Claim, body: bytes, secrets: ActiveSecrets) -> Admitted | Ping | Refused:
        return admission.admit(claim, body, secrets, topics=self._topics, now=self._clock.now())

    async def _append(self, connection: str, admitted: Admitted) -> Answer:
        started = self._clock.monotonic()
        try:
            if self._recording:
                with traced(connection, admitted) as event:
                    await self._log.publish(event.topic, event)
            else:
                await self._log.publish(admitted.topic, admitted)
        except Retryable as error:
            self._counting.troubled(connection, Trouble.LOG_UNAVAILABLE)
            self._say_not_appended(connection, error)
            return UNAVAILABLE
        crash.point("ingest.after_publish")
        self._counting.received(connection, admitted, self._clock.monotonic() - started)
        return OK

    def _say_not_appended(self, connection: str, error: Retryable) -> None:
        """A line now and then: while the log is away, every webhook fails; the metric counts them."""
        now = self._clock.monotonic()
        if now - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            _log.warning("ingest.not_appended", connection=connection, detail=str(error))

    async def _refuse(
        self, connection: str | None, refused: Refused, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Refuse before the body was read whole."""
        self._note(connection, refused, scope)
        await self._turn_away(REFUSALS[refused.reason], scope, receive, send)

    def _note(self, connection: str | None, refused: Refused, scope: Scope) -> None:
        self._counting.refused(connection or "", refused.reason)
        announced = dict(scope["headers"]).get(b"content-length", b"")
        size = int(announced[:18]) if announced[:18].isdigit() else 0
        self._refusals.note(connection, refused, size=size)

    async def _turn_away(self, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        waits_for_us = dict(scope["headers"]).get(b"expect", b"").lower() == b"100-continue"
        whole = False if waits_for_us else await self._bodies.drain(receive)
        await answer.send(send, close=not whole)

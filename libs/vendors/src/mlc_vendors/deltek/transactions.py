"""Transaction files: create, look, change, remove, post, and read what was posted (§8, §8.1, §8.2).

Creating does not post. In the mode without files there is no header: an entry stands for its file, and posted entries
vanish from transaction entry, so that only the ledger tells about them (§1.7). This client repeats no write: whether a
batch is there is for the caller to find out before it sends anything again.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlc_vendors.deltek.bodies import Body, InvoiceFile, invoice_entry_body, invoice_file_body, post_body
from mlc_vendors.deltek.calls import Call, Calls, Verb, Whole
from mlc_vendors.deltek.contract import TransactionKind
from mlc_vendors.deltek.errors import RecordAbsent, UnknownShape
from mlc_vendors.deltek.models import ArBalance, ControlRow, Detail, Entry, LandingRow, LedgerRow
from mlc_vendors.deltek.posting import PostResult, read_post_answer
from mlc_vendors.deltek.query import Condition, Lookup
from mlc_vendors.deltek.values import wire_flag

_BATCH = ControlRow.column("batch")


class Transactions:
    """Files of any kind to read, invoices and credits to write."""

    _calls: Calls

    async def get_control(self, batch: str, kind: TransactionKind = "invoice") -> ControlRow | None:
        """The header of a file; without files an entry of it stands for it (``has_header`` False)."""
        if not self._calls.contract.transactions.use_files:
            entries = await self.get_entries(batch, kind)
            return ControlRow.of_entry(entries[0]) if entries else None
        call = Call(endpoint="trans.control.one", values=self._values(kind, batch))
        return await self._calls.find_one(call, ControlRow, key=_BATCH, value=batch)

    async def get_entries(self, batch: str, kind: TransactionKind = "invoice") -> list[Entry]:
        """The entries (masters) of a file that is in transaction entry."""
        fields = self._calls.contract.fields
        names = {"comment": fields.entry_comment.name}
        if fields.entry_external_key.enabled:
            names["external_key"] = fields.entry_external_key.name
        invoice = Entry.column("invoice")
        lookup = Lookup(expect=[Condition(_BATCH, batch)], key=(_BATCH, invoice, Entry.column("wbs1")), order=invoice)
        call = Call(endpoint="trans.master", values=self._values(kind, batch))
        return await self._calls.list_of(call, lookup, Entry, **names)

    async def get_details(
        self, batch: str, kind: TransactionKind = "invoice", *, whole: Whole[Detail] | None = None
    ) -> list[Detail]:
        """The lines of a file that is in transaction entry; positive amounts raise accounts receivable.

        Args:
            batch: The file.
            kind: Of transaction.
            whole: Whether lines prove that none is missing, which spares a look at an empty page.
        """
        pkey = Detail.column("pkey")
        lookup = Lookup(expect=[Condition(_BATCH, batch)], key=(pkey,), order=pkey)
        call = Call(endpoint="trans.detail", values=self._values(kind, batch))
        proof: Whole[Detail] | None = None if whole is None else lambda rows: whole(self._raising(rows))
        return self._raising(await self._calls.list_of(call, lookup, Detail, proof, **self._credit_column))

    async def landing(self, batch: str) -> list[LandingRow]:
        """Posting state of the files of this name, one row per kind of transaction."""
        where = [Condition(LandingRow.column("batch"), batch)]
        kind = LandingRow.column("trans_type")
        lookup = Lookup(where=where, key=(kind, _BATCH), order=kind)
        return await self._calls.list_of(Call(endpoint="trans.landing"), lookup, LandingRow)

    async def unposted_files(self) -> list[LandingRow]:
        """The files that our user made and nobody has posted; without files the tenant lists none."""
        where = [
            Condition(LandingRow.column("creator"), self._calls.contract.transactions.creator),
            Condition(LandingRow.column("posted"), wire_flag(False)),
        ]
        lookup = Lookup(where=where, key=(LandingRow.column("trans_type"), _BATCH), order=_BATCH)
        return await self._calls.list_of(Call(endpoint="trans.landing"), lookup, LandingRow)

    async def create_invoice(self, file: InvoiceFile) -> ControlRow:
        """Create an unposted file with one invoice or credit.

        The answer's period and company are the tenant's: compare them with what was asked before posting.

        Raises:
            DuplicateRecord: the batch exists: look and compare.
            ValidationRefused, PeriodClosed, RecordInactive, RightsMissing: refused.
            Unconfirmed: it may exist; look for the batch.
            Retryable: not sent, or not taken up.
        """
        return await self._put_invoice(file, create=True)

    async def amend_invoice(self, file: InvoiceFile) -> ControlRow:
        """Replace an unposted file by this content.

        Raises:
            RecordAbsent: there is no such unposted file.
            Unconfirmed: it may have been changed; look.
        """
        return await self._put_invoice(file, create=False)

    async def delete_file(self, batch: str) -> bool:
        """Remove an unposted file; False where it was not there. A posted one is refused by the tenant.

        Raises:
            Rejected: refused.
            Unconfirmed: it may be gone; look.
        """
        endpoint, entry_key = "trans.control.one", ""
        if not self._calls.contract.transactions.use_files:
            entries = await self.get_entries(batch)
            if not entries:
                return False
            endpoint, entry_key = "trans.master.create", entries[0].invoice
        values = self._values("invoice", batch, entry_key=entry_key)
        try:
            await self._calls.write(Call(endpoint=endpoint, verb="DELETE", values=values, reference=batch))
        except RecordAbsent:
            return False
        return True

    async def post_file(
        self, batch: str, *, period: int, company: str = "", description: str = "", kind: TransactionKind = "invoice"
    ) -> PostResult:
        """Post one file. HTTP 200 alone proves nothing; verify from the ledger whatever the result says.

        Raises:
            Rejected: refused by status and sentence.
            Unconfirmed: it may have been posted.
        """
        contract = self._calls.contract
        transtype = contract.transactions.types[kind].transtype
        call = Call(
            endpoint="trans.post",
            verb="PUT",
            body=post_body(
                contract, batch=batch, period=period, company=company, description=description, kind=transtype
            ),
            reference=batch,
            timeout_s=contract.http.post_timeout_s,
        )
        answer = await self._calls.write(call)
        return read_post_answer(
            answer.content, batch=batch, transtype=transtype, rules=contract.transactions, sentences=contract.errors
        )

    async def ledger_rows(
        self, batch: str, kind: TransactionKind = "invoice", *, whole: Whole[LedgerRow] | None = None
    ) -> list[LedgerRow]:
        """Everything that was posted from files of this name, offsets that posting made included; debits positive.

        Args:
            batch: The files.
            kind: Of transaction.
            whole: Whether rows prove that none is missing, which spares a look at an empty page.
        """
        return await self._posted([Condition(LedgerRow.column("batch"), batch)], kind, whole)

    async def ledger_rows_of_invoice(self, wbs1: str, invoice: str) -> list[LedgerRow]:
        """Everything that was posted under this project and invoice number, by whatever file; debits positive."""
        rows = await self._posted([Condition(LedgerRow.column("invoice"), invoice)], "invoice", None)
        return [row for row in rows if row.wbs1.casefold() == wbs1.casefold()]

    async def ar_balance(self, wbs1: str, invoice: str) -> list[ArBalance]:
        """What is open on this invoice of this project; empty where the tenant knows no such invoice."""
        project, number = ArBalance.column("wbs1"), ArBalance.column("invoice")
        credit = self._calls.contract.transactions.credit_memo.ref_field
        lookup = Lookup(
            where=[Condition(number, invoice), Condition(project, wbs1)], key=(project, number, credit), order=credit
        )
        return await self._calls.list_of(Call(endpoint="ar.balance"), lookup, ArBalance, **self._credit_column)

    async def _posted(
        self, where: Sequence[Condition], kind: TransactionKind, whole: Whole[LedgerRow] | None
    ) -> list[LedgerRow]:
        key = tuple(LedgerRow.column(name) for name in ("period", "post_seq", "pkey"))
        transtype = self._calls.contract.transactions.types[kind].transtype
        call = Call(endpoint="ledger", values={LedgerRow.column("trans_type"): transtype})
        lookup = Lookup(where=where, key=key, order=key[-1])
        proof: Whole[LedgerRow] | None = None if whole is None else lambda rows: whole(self._debits(rows))
        return self._debits(await self._calls.list_of(call, lookup, LedgerRow, proof, **self._credit_column))

    def _debits(self, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        sign = self._calls.contract.transactions.signs.ledger_debit
        return [
            row.model_copy(update={"amount": row.amount * sign, "transaction_amount": row.billed * sign})
            for row in rows
        ]

    def _raising(self, lines: Sequence[Detail]) -> list[Detail]:
        sign = self._calls.contract.transactions.signs.invoice_line_raises_ar
        return [
            one.model_copy(update={"amount": one.amount * sign, "tax_basis": one.tax_basis * sign}) for one in lines
        ]

    async def _put_invoice(self, file: InvoiceFile, *, create: bool) -> ControlRow:
        contract = self._calls.contract
        if contract.transactions.use_files:
            endpoint = "trans.control.create" if create else "trans.control.one"
            call = self._writing(endpoint, file, invoice_file_body(file, contract), create=create)
            row = await self._calls.written_record(call, ControlRow, key=_BATCH)
        else:
            call = self._writing("trans.master.create", file, invoice_entry_body(file, contract), create=create)
            row = ControlRow.of_entry(await self._calls.written_record(call, Entry, key=_BATCH))
        if row.batch != file.batch:  # looking for our batch would not find it, and it would be created again
            raise UnknownShape(f"Deltek stored {file.batch} as {row.batch}; clear it there and stop its renumbering")
        return row

    def _writing(self, endpoint: str, file: InvoiceFile, body: Body, *, create: bool) -> Call:
        values = self._values("invoice", file.batch, entry_key=file.invoice)
        verb: Verb = "POST" if create else "PUT"
        return Call(endpoint=endpoint, verb=verb, values=values, body=body, reference=file.batch)

    def _values(self, kind: TransactionKind, batch: str, *, entry_key: str = "") -> dict[str, str]:
        return {
            "prefix": self._calls.contract.transactions.types[kind].prefix,
            _BATCH: batch,
            "EntryKey": entry_key,
        }

    @property
    def _credit_column(self) -> dict[str, str]:
        return {"credit_memo_ref": self._calls.contract.transactions.credit_memo.ref_field}

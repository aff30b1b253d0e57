"""Deltek Vantagepoint: client, tenant contract, rows and refusals. See ``client.py``."""

from mlc_vendors.deltek.bodies import InvoiceFile, InvoiceLine, NewAddress, NewContact, NewFirm, line_key
from mlc_vendors.deltek.client import DeltekClient, http_client
from mlc_vendors.deltek.contract import TenantContract, load_contract, load_contract_file
from mlc_vendors.deltek.credentials import DeltekCredentials
from mlc_vendors.deltek.errors import (
    DeltekRejected,
    DuplicateRecord,
    EndpointMissing,
    LookupMismatch,
    PeriodClosed,
    RecordAbsent,
    RecordAmbiguous,
    RecordInactive,
    RightsMissing,
    ServerFault,
    SignInRefused,
    UnknownShape,
    ValidationRefused,
)
from mlc_vendors.deltek.keys import batch_name, document_number
from mlc_vendors.deltek.posting import PostResult
from mlc_vendors.deltek.query import Condition

__all__ = [
    "Condition",
    "DeltekClient",
    "DeltekCredentials",
    "DeltekRejected",
    "DuplicateRecord",
    "EndpointMissing",
    "InvoiceFile",
    "InvoiceLine",
    "LookupMismatch",
    "NewAddress",
    "NewContact",
    "NewFirm",
    "PeriodClosed",
    "PostResult",
    "RecordAbsent",
    "RecordAmbiguous",
    "RecordInactive",
    "RightsMissing",
    "ServerFault",
    "SignInRefused",
    "TenantContract",
    "UnknownShape",
    "ValidationRefused",
    "batch_name",
    "document_number",
    "http_client",
    "line_key",
    "load_contract",
    "load_contract_file",
]

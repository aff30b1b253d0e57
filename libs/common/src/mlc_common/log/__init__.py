"""The log: append (producer), consume by positions (consumer), read by offsets (reader), create topics (admin)."""

from mlc_common.log.admin import ensure_topics
from mlc_common.log.producer import Appended, LogProducer, is_final
from mlc_common.log.reader import ends_of, in_batches, read_topic, whole
from mlc_common.log.records import Record

__all__ = [
    "Appended",
    "LogProducer",
    "Record",
    "ends_of",
    "ensure_topics",
    "in_batches",
    "is_final",
    "read_topic",
    "whole",
]

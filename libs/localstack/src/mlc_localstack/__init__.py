"""Real Apache Kafka and PostgreSQL as child processes: no Docker, no Java to install, no root, nothing left behind.

For development, the demo and the tests. No service imports this package, and it imports none of ours.
"""

from mlc_localstack.errors import StackError
from mlc_localstack.kafka import KafkaServer, Listener
from mlc_localstack.postgres import PostgresServer, create_database, drop_database, with_database
from mlc_localstack.stack import LocalStack

__all__ = [
    "KafkaServer",
    "Listener",
    "LocalStack",
    "PostgresServer",
    "StackError",
    "create_database",
    "drop_database",
    "with_database",
]

"""Which code is mutated, and which tests must notice. Fast ones first: the first failure ends a mutant's trial.

Tests that start processes or a broker are left out: what only they notice counts as survived. So the rate is a lower
bound of what `make test` would notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COMMON = "libs/common/src/mlc_common"
_MAPPER = "services/mapper/src/mlc_mapper"
_POSTING_TESTS = "libs/common/tests/posting"
_STORE_TESTS = "libs/common/tests/store"
_MAPPER_TESTS = "services/mapper/tests"
_GOLDEN = f"{_MAPPER_TESTS}/test_golden_commands.py"
_INGEST_TESTS = "services/ingest/tests"
_FAULTS = f"{_POSTING_TESTS}/test_simulation.py::test_any_one_fault_at_any_point_posts_once_and_what_was_wanted"
_GOLDEN_TESTS = (
    f"{_GOLDEN}::test_each_life_of_an_order_is_told_as_before",
    f"{_GOLDEN}::test_the_documents_of_recorded_orders_stay_what_they_are",
)
_READING = ("fields", "reading", "text", "told", "order", "facts")
_DECIDING = (
    "accounts", "booked", "completeness", "credit_lines", "credits", "documents", "invoices", "lines", "party",
    "returns", "standing", "taxes",
)  # fmt: skip


@dataclass(frozen=True)
class Area:
    """Modules that the same tests answer for.

    Attributes:
        name: As the command's ``--module`` takes it; several may share one.
        modules: Globs from the root of the checkout.
        tests: What pytest is given, in this order.
        postgres: Whether these tests need a PostgreSQL server, which is then started once for the area.
    """

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    postgres: bool = False

    def files(self, root: Path) -> Iterator[str]:
        """The paths of its modules; what has no function in it is listed, too."""
        for glob in self.modules:
            yield from (str(path.relative_to(root)) for path in sorted(root.glob(glob)) if path.name != "__init__.py")


AREAS = (
    Area(
        "posting",
        tuple(
            f"{_COMMON}/posting/{name}.py"
            for name in ("rules", "adjusting", "afterwards", "pursuit", "writing", "engine", "parties")
        ),
        (
            f"{_POSTING_TESTS}/test_rules.py",
            f"{_POSTING_TESTS}/test_histories.py",
            f"{_POSTING_TESTS}/test_parties.py",
            f"{_POSTING_TESTS}/test_engine.py",
            f"{_POSTING_TESTS}/test_adjusting.py",
            f"{_POSTING_TESTS}/test_renumbering.py",
            f"{_POSTING_TESTS}/test_posted_and_gone.py",
            f"{_POSTING_TESTS}/test_spans.py",
            f"{_FAULTS}[one invoice-handles]",
        ),
    ),
    Area(
        "accounting",
        tuple(
            f"{_COMMON}/accounting/{name}.py" for name in ("difference", "lines", "remainder", "digests", "identity")
        ),
        (
            "libs/common/tests/accounting/test_same_in_every_release.py",
            "libs/common/tests/accounting/test_identity.py",
            "libs/common/tests/accounting/test_documents.py",
            "libs/common/tests/accounting/test_remainder.py",
            "libs/common/tests/accounting/test_difference.py",
            f"{_POSTING_TESTS}/test_rules.py",
        ),
    ),
    Area(
        "signature",
        (
            "libs/vendors/src/mlc_vendors/woocommerce/signature.py",
            "services/ingest/src/mlc_ingest/admission.py",
            "services/ingest/src/mlc_ingest/gateway.py",
        ),
        (
            "libs/vendors/tests/woocommerce/test_woocommerce_signature.py",
            f"{_INGEST_TESTS}/test_ingest_keys.py",
            f"{_INGEST_TESTS}/test_ingest_admission.py",
            f"{_INGEST_TESTS}/test_ingest_gateway.py",
            f"{_INGEST_TESTS}/test_ingest_refusals.py",
        ),
    ),
    Area("dedupe", (f"{_COMMON}/store/positions.py",), (f"{_STORE_TESTS}/test_positions.py",), postgres=True),
    Area("dedupe", (f"{_COMMON}/store/outbox.py",), (f"{_STORE_TESTS}/test_outbox.py",), postgres=True),
    Area("dedupe", (f"{_COMMON}/store/posting_queue.py",), (f"{_POSTING_TESTS}/test_posting_queue.py",), postgres=True),
    Area(
        "dedupe",
        (f"{_COMMON}/posting/intake.py",),
        (f"{_POSTING_TESTS}/test_intake_headers.py", f"{_POSTING_TESTS}/test_intake.py"),
        postgres=True,
    ),
    Area(
        "mapper",
        (
            f"{_MAPPER}/evolve.py",
            f"{_MAPPER}/decide.py",
            f"{_MAPPER}/state.py",
            f"{_MAPPER}/mapping/rules.py",
            *(f"{_MAPPER}/woocommerce/{name}.py" for name in _DECIDING),
        ),
        (
            *_GOLDEN_TESTS,
            f"{_MAPPER_TESTS}/test_decide.py",
            f"{_MAPPER_TESTS}/test_orders_by_hand.py",
            f"{_MAPPER_TESTS}/test_refunds_by_hand.py",
            f"{_MAPPER_TESTS}/test_review.py",
            f"{_MAPPER_TESTS}/test_mapping_file.py",
            f"{_MAPPER_TESTS}/test_contested.py",
            f"{_MAPPER_TESTS}/test_answers.py",
            f"{_MAPPER_TESTS}/test_pending.py",
            f"{_MAPPER_TESTS}/test_clocks_of_stores.py",
            f"{_MAPPER_TESTS}/test_evolve.py",
        ),
    ),
    Area(
        "mapper",
        tuple(f"{_MAPPER}/woocommerce/{name}.py" for name in _READING),
        (
            *_GOLDEN_TESTS,
            f"{_MAPPER_TESTS}/test_decide.py",
            f"{_MAPPER_TESTS}/test_review.py",
            f"{_GOLDEN}::test_what_a_field_may_say_and_what_is_said_of_it",
            f"{_MAPPER_TESTS}/test_hostile_orders.py",
        ),
    ),
)

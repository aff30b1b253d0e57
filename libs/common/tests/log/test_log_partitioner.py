"""A key's partition is Kafka's own, so that every client puts an order's events onto one partition."""

from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner, murmur2
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.log.partitioner import _murmur2, partition_of


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_key_goes_where_the_client_library_would_put_it(key: bytes, count: int) -> None:
    partitions = list(range(count))
    assert partition_of(key, partitions, partitions) == DefaultPartitioner()(key, partitions, partitions)
    assert _murmur2(key) == murmur2(key) & 0xFFFFFFFF


def test_known_answers_of_kafkas_own_tests() -> None:
    # From Apache Kafka, UtilsTest.testMurmur2, as unsigned words.
    for key, answer in ((b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)):
        assert _murmur2(key) == answer & 0xFFFFFFFF


@given(st.sets(st.integers(0, 9), min_size=1))
def test_no_key_goes_to_a_partition_that_has_a_leader(available: set[int]) -> None:
    assert partition_of(None, list(range(10)), sorted(available)) in available

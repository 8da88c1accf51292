"""A store for tests of flows, where users of Prefect import it from."""

from upshot.flows.testing import own_store as own_store

prefect_test_harness = own_store

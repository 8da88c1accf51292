"""Transactions, where users of Prefect import them from."""

from upshot.flows import (
    CommitMode as CommitMode,
    IsolationLevel as IsolationLevel,
    Transaction as Transaction,
    get_transaction as get_transaction,
    transaction as transaction,
)
from upshot.flows.transactions.transaction import TransactionState as TransactionState

atransaction = transaction

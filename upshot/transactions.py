"""Transactions, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows import (
        CommitMode as CommitMode,
        IsolationLevel as IsolationLevel,
        Transaction as Transaction,
        TransactionState as TransactionState,
        atransaction as atransaction,
        get_transaction as get_transaction,
        transaction as transaction,
    )
else:
    from upshot.flows import __getattr__ as __getattr__

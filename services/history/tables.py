"""The tables of the recorded past. A change here needs a step in ``migrations/versions``."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, MetaData, Table, Text

REVISION: Final = "0002"
"""The newest step of the migrations."""

INDEXED_LENGTH: Final = 255
"""Characters of a text in an index: PostgreSQL takes no more than 2,704 bytes there."""

metadata: Final = MetaData()

# Sorted as its bytes are, everywhere: the store sorts ids so, and prefixes are looked up so.
_Bytewise: Final = Text().with_variant(Text(collation="C"), "postgresql")

events: Final = Table(
    "events",
    metadata,
    # The position in the log: the store's clock in Unix ms, and a number within the millisecond.
    Column("received", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", _Bytewise, nullable=False),
    Column("name", _Bytewise, nullable=False),
    Column("occurred", Text, nullable=False),
    Column("resource", _Bytewise, nullable=False),  # its id, the first INDEXED_LENGTH characters
    Column("own", Boolean, nullable=False),
    Column("follows", _Bytewise),
    Column("body", Text, nullable=False),  # the event as JSON
)
Index("events_by_name", events.c.name, events.c.received, events.c.seq)
Index("events_by_resource", events.c.resource, events.c.received, events.c.seq)
Index("events_by_id", events.c.id)
# Without rows that follow nothing; to say so here would load PostgreSQL's dialect for everyone.
Index("events_by_cause", events.c.follows)

flow_runs: Final = Table(
    "flow_runs",
    metadata,
    Column("id", _Bytewise, primary_key=True),
    Column("created", BigInteger, nullable=False),  # Unix ms, as the store sorts by it
    Column("changed", BigInteger, nullable=False),  # Unix ms of its latest event
    Column("ended", Boolean, nullable=False),
    Column("name", _Bytewise, nullable=False),
    Column("flow", _Bytewise, nullable=False),
    Column("deployment", _Bytewise),
    Column("state", _Bytewise, nullable=False),  # the type
    Column("state_name", _Bytewise, nullable=False),
    Column("body", Text, nullable=False),  # the run as answers show it
    Column("parent", _Bytewise),  # id of the run that it is a part of
)
Index("flow_runs_by_age", flow_runs.c.created, flow_runs.c.id)
Index("flow_runs_by_name", flow_runs.c.name, flow_runs.c.created)
Index("flow_runs_by_flow", flow_runs.c.flow, flow_runs.c.created)
Index("flow_runs_by_deployment", flow_runs.c.deployment, flow_runs.c.created)
Index("flow_runs_by_parent", flow_runs.c.parent, flow_runs.c.created)
Index("flow_runs_by_state", flow_runs.c.state, flow_runs.c.created)
Index("flow_runs_by_state_name", flow_runs.c.state_name, flow_runs.c.created)
Index("flow_runs_by_change", flow_runs.c.changed)

task_runs: Final = Table(
    "task_runs",
    metadata,
    Column("flow_run", _Bytewise, primary_key=True),
    Column("id", _Bytewise, primary_key=True),
    Column("created", _Bytewise, nullable=False),  # ISO 8601
    Column("state", _Bytewise, nullable=False),
    Column("state_name", _Bytewise, nullable=False),
    Column("body", Text, nullable=False),
)
Index("task_runs_by_age", task_runs.c.flow_run, task_runs.c.created, task_runs.c.id)

firings: Final = Table(
    "firings",
    metadata,
    Column("id", _Bytewise, primary_key=True),
    Column("fired", BigInteger, nullable=False),  # Unix ms, as the store sorts by it
    Column("automation", _Bytewise, nullable=False),
    Column("automation_id", _Bytewise, nullable=False),
    Column("body", Text, nullable=False),  # the firing with its outcomes
)
Index("firings_by_age", firings.c.fired, firings.c.id)
Index("firings_by_automation", firings.c.automation, firings.c.fired)

cursors: Final = Table(
    "cursors",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("received", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),  # events read in all
)

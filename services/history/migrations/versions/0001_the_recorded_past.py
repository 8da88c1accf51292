"""The first form: events, flow runs, task runs, firings, and how far the log was read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = ("events", "flow_runs", "task_runs", "firings", "cursors")


def _bytewise() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    _create_events()
    _create_flow_runs()
    _create_task_runs()
    _create_firings()
    op.create_table(
        "cursors",
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in _TABLES:
        op.drop_table(name)


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("received", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", _bytewise(), nullable=False),
        sa.Column("name", _bytewise(), nullable=False),
        sa.Column("occurred", sa.Text, nullable=False),
        sa.Column("resource", _bytewise(), nullable=False),
        sa.Column("own", sa.Boolean, nullable=False),
        sa.Column("follows", _bytewise()),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("events_by_name", "events", ["name", "received", "seq"])
    op.create_index("events_by_resource", "events", ["resource", "received", "seq"])
    op.create_index("events_by_id", "events", ["id"])
    there = sa.text("follows IS NOT NULL")
    op.create_index(
        "events_by_cause", "events", ["follows"], postgresql_where=there, sqlite_where=there
    )


def _create_flow_runs() -> None:
    op.create_table(
        "flow_runs",
        sa.Column("id", _bytewise(), primary_key=True),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("name", _bytewise(), nullable=False),
        sa.Column("flow", _bytewise(), nullable=False),
        sa.Column("deployment", _bytewise()),
        sa.Column("state", _bytewise(), nullable=False),
        sa.Column("state_name", _bytewise(), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("flow_runs_by_age", "flow_runs", ["created", "id"])
    op.create_index("flow_runs_by_name", "flow_runs", ["name", "created"])
    op.create_index("flow_runs_by_deployment", "flow_runs", ["deployment", "created"])
    op.create_index("flow_runs_by_change", "flow_runs", ["changed"])


def _create_task_runs() -> None:
    op.create_table(
        "task_runs",
        sa.Column("flow_run", _bytewise(), primary_key=True),
        sa.Column("id", _bytewise(), primary_key=True),
        sa.Column("created", _bytewise(), nullable=False),
        sa.Column("state", _bytewise(), nullable=False),
        sa.Column("state_name", _bytewise(), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def _create_firings() -> None:
    op.create_table(
        "firings",
        sa.Column("id", _bytewise(), primary_key=True),
        sa.Column("fired", sa.BigInteger, nullable=False),
        sa.Column("automation", _bytewise(), nullable=False),
        sa.Column("automation_id", _bytewise(), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("firings_by_age", "firings", ["fired", "id"])
    op.create_index("firings_by_automation", "firings", ["automation", "fired"])

"""Where everything lies in the store: the one place that knows the names of keys.

Every key of a shard starts with its root ``upshot:{k}``; the braces are a cluster hash tag, so a
shard's keys share one slot and one function may touch them all. The functions in ``functions/``
get the root and derive the same names.

=====================  ======  ==================================================================
key                    type    what it holds
=====================  ======  ==================================================================
``meta``               hash    ``listed``: runs of older versions stand in ``made``, ``names``
``log``                stream  every event: its JSON in field ``o`` (Upshot's own) or ``e``
``seen``, ``seen:old`` set     ids that senders chose: of this dedup period and the one before
``idempotency:<key>``  string  digest of a request with that key, then how it was answered
``seen:since``         string  when the present dedup period began, ms
``cursors``            hash    consumer → the oldest log position it still needs
``forgotten``          hash    ``runs``, ``firings`` → newest ms of one that only the archive has
``intake``             string  ms at which the log was last known open to outside senders
``gaps``               zset    ``from-until`` spans in which it was closed; score ``until``
``counters``           hash    metric (with labels) → number; moved with what it counts;
                               ``~name:<ms>`` and ``~name:sum`` are histograms
``lease:<name>``       hash    ``owner epoch until`` of a service that must run once
``docs:<kind>``        hash    name → ``<version> <JSON>`` of a definition
``changed:<kind>``     zset    name of a definition → the number of its latest change
``changes``            string  how many changes of definitions there were
``history:<kind>:<n>`` list    its versions, newest first: ``<version> <ms> <event>``
``parameters:<name>``  hash    what names the code of a deployment → JSON: what its flow takes
``run:<id>``           hash    a flow run: ``doc type state version epoch attempt …``;
                               ``by:<event>`` marks an event that has made somebody change it;
                               ``log_bytes``, ``log_dropped``: size of its log, lines dropped
``runs``               zset    flow run → ms it was created
``runs:<Type>``        zset    flow run → ms it entered that state
``runs:<State>:<of>``  zset    the same of one ``flow:<name>`` or ``deployment:<name>``, by type,
                               and by name where that says more (``Late``, ``TimedOut``)
``made:<of>``          zset    flow run → ms it was created; of one ``flow:<name>``,
                               ``deployment:<name>``, ``parent:<run>``, ``state:<type or name>``
``flows``              set     flows of which there are runs
``names``              zset    name, ms and run, a byte 255 between them; in the order of the bytes
``unlisted``           zset    runs of an older version that are still to be listed so
``leases``             zset    flow run → ms until which its process has shown to be alive
``due``                zset    scheduled flow run → ms at which it goes to its queue
``on-time``            zset    scheduled run that is not Late → ms at which it goes to its queue
``pauses``             zset    paused run → ms until which it waits, where that ends
``waits``              hash    run that waits for an event → log position of its pause
``wake:<run>``         list    not empty once the run goes on: its process waits for that
``slots:<limit>``      hash    token, ``<run>/<what of it>`` → slots of the limit that it has
``line``               string  counts those that stood in line
``line:<limit>``       zset    token that waits for slots → its place: by priority, as they came
``asked:<run>``        hash    token → JSON: the limits that it asked for, whether it has them
``granted:<run>``      list    tokens that got their slots: the run's process waits for that
``rate:<limit>``       string  ms up to which the limit's rate is used up
``queue:<pool>``       stream  calls for a worker, field ``r``; group ``workers``
``queues:<pool>``      set     the pool's queues in which runs wait
``ready:<pool>/<queue>`` zset  flow run that waits in it → its place: by priority, as they came
``told:<pool>/<queue>`` set    those of them of which it is told that they wait for a limit
``picks:<pool>``       hash    entry of ``queue:<pool>`` that a worker has → the run it is for
``pools``              set     pools that have a queue
``workers``            hash    worker → JSON: pool, host, pid, when it was last seen, runs it has
``drains``             set     workers that are asked to take no more runs and leave
``tasks:<run>``        hash    task run → ``<Type> <JSON>``
``order:<run>``        list    its task runs as they came
``sums:<run>``         hash    task → JSON: how many runs it has, in which states, since when
``logs:<run>``         stream  what the run printed and logged
``artifact:<id>``      hash    ``doc data description key version created updated`` of an artifact
``artifacts``          zset    artifact → ms it was created
``artifacts:run:<run>``  zset  the same, of one run
``artifacts:key:<key>``  zset  the same, of one key
``artifact-versions``  hash    key of artifacts → version of the latest one
``assets``             zset    asset → ms at which something was last known of it
``asset:<key>``        hash    ``version properties``, and with their ms: ``materialized``,
                               ``failed``, ``check:<name>``, each the latest one
``materializations:<key>`` list  the latest ones, newest first: ``<version> <ms> <JSON>``
``upstream:<key>``     set     assets that it was made of
``downstream:<key>``   set     assets that were made of it
``files:<run>``        set     folders that hold results of the run, each in a folder of its id
``holds:<run>``        set     files that its records tell of, other than in those folders
``held``               hash    such a file → how many runs, cache entries and committed keys hold it
``transactions:<run>`` hash    transaction → ``active``, ``committed``, …; and what was undone
``open:<run>``         hash    this run, or a part of it → how many transactions it has open
``open``               set     runs with such a part, or that are one
``committed``          hash    key of a transaction that was committed → JSON
``committed:files``    hash    such a key → JSON: files that it holds
``committed:used``     zset    such a key → ms at which it was committed, or last found
``cache``              hash    cache key → JSON: where the value lies, and in which form
``cache:files``        hash    cache key → file that goes when the entry does
``cache:until``        zset    cache key → ms at which the entry expires
``cache:made``         zset    cache key → ms at which the entry was made
``locks``              hash    what is locked → ``<run>/<epoch>/<task run>``, as long as that lives
``litter``             set     files that are to be removed: ``file <path>``, ``run <folder>``
``engine``             hash    ``cursor`` of the engine
``engine:definitions`` hash    automation → its JSON as of the cursor
``engine:fired``       hash    automation → ms at which it last fired; ``<id>:n`` → how often
``engine:unreadable``  hash    automation → why this version of Upshot can't read it
``engine:windows``     hash    ``<automation>/<bucket>`` → JSON of an open window
``firings``            zset    firing → ms
``firing:<id>``        hash    ``doc`` and the outcome of each action, ``0``, ``1``, …;
                               ``begun:<n>`` counts an action that dispatchers did not survive,
                               ``put:<n>`` marks one that has changed definitions; of one that
                               may be stopped ``under`` is the action under way, and ``replaced``
                               the firing that stopped it
``actions``            stream  firings whose actions are to be done; group ``dispatchers``
``later``              zset    parked action → ms at which it is tried again
``parked``             hash    parked action → its entry
``dead-letters``       stream  actions that were given up
=====================  ======  ==================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DISPATCHERS: Final = "dispatchers"
WORKERS: Final = "workers"


@dataclass(frozen=True, slots=True)
class Keys:
    """The key names of one shard."""

    shard: int = 0

    @property
    def root(self) -> str:
        return f"upshot:{{{self.shard}}}"

    def __call__(self, *parts: str) -> str:
        """Return the key with these parts: ``keys("run", id)``."""
        return ":".join((self.root, *parts))

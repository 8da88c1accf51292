"""The recorded past: the database that the archiver fills, and lists that reach back into it.

the log → archiver → database; live state and the newest events → store. A list reads the store
first and then, behind it, the database: what left the store is there already, so nothing is missed.
"""

"""Definitions: what people defined, kept with its versions; planned, reviewed, then changed."""

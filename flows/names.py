"""Names that people can tell apart: ``brisk-otter``."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_ADJECTIVES: Final = """
    agile amber ample azure basic bold brave breezy bright brisk calm candid cheery clever cosy
    crisp daring deft eager early easy fair fancy fleet fond frank fresh gentle glad golden grand
    happy hardy honest humble jolly keen kind lively loyal lucid lucky mellow merry mighty modest
    neat nimble noble patient placid polite prime proud quick quiet rapid rosy rustic serene sharp
    silent silver sleek smart snug solid spry steady sunny swift tidy tranquil trusty upbeat
    valiant vivid warm wise witty zesty
""".split()  # noqa: SIM905 - words are read more easily so
_NOUNS: Final = """
    adder auk badger bat bear beaver bee bison bream camel carp cicada cobra condor coot crane
    crow cuckoo deer dingo dipper dove duck eagle eel egret elk ermine falcon ferret finch fox
    gecko gibbon gnu goose grouse gull hare hawk heron hippo ibex ibis jackal jay kestrel kite
    koala lark lemur linnet lion lizard llama lynx magpie marten mole moose moth newt okapi oriole
    osprey otter owl panda perch pike plover puffin quail rabbit raven robin rook salmon seal
    shrew skink sloth snipe stoat stork swan swift tapir tern thrush tiger toad trout viper vole
    walrus weasel whale wolf wombat wren yak zebra
""".split()  # noqa: SIM905 - words are read more easily so


def run_name(run_id: str) -> str:
    """Return the name that the run of this id always has."""
    number = int.from_bytes(blake2b(run_id.encode(), digest_size=8).digest(), "big")
    adjective = _ADJECTIVES[number % len(_ADJECTIVES)]
    return f"{adjective}-{_NOUNS[number // len(_ADJECTIVES) % len(_NOUNS)]}"

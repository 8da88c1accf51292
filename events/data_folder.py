"""The embedded store's part of a data folder: its files, its lock, and where its server listens."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, PositiveInt, ValidationError

from .exceptions import DataFolderLocked
from .processes import is_alive

_LONGEST_SOCKET_PATH = 100  # bytes; the kernels take 103 (macOS) and 107 (Linux)
_SHORT_FOLDER_PREFIX = "upshot-"
_PATIENCE_WITH_THE_LIVING = 0.3  # seconds
_PATIENCE_WITH_THE_DYING = 10.0
_LOCK_RETRY = 0.02


class StoreRecord(BaseModel):
    """What `store.json` tells about the server of a data folder, running or not."""

    owner: PositiveInt
    """Process id of the Upshot that started the server."""
    server: PositiveInt | None = None
    """Process id of the server, None until it was started."""
    socket: str
    """Absolute path of the server's unix socket."""
    lasting: bool = True
    """Whether others may join it: one that ends with some program is that program's own."""

    @property
    def url(self) -> str:
        """The address in redis-py's form."""
        return f"unix://{quote(self.socket)}"

    def all_alive(self) -> bool:
        """Tell whether the owner lives and the server, if it was started."""
        return is_alive(self.owner) and (self.server is None or is_alive(self.server))


class DataFolder:
    """The folder `store` within a data folder; nobody but its user may look into it."""

    def __init__(self, data_dir: Path) -> None:
        """Name the files below `data_dir`; nothing is touched yet."""
        self.data_dir = data_dir.expanduser().resolve()
        self.path = self.data_dir / "store"
        self.log_file = self.path / "valkey.log"
        self._lock_file = self.path / "lock"
        self._record_file = self.path / "store.json"

    def prepare(self) -> None:
        """Create the folder where it is missing.

        Raises:
            OSError: it can't be created or isn't this user's.
        """
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.mkdir(mode=0o700, exist_ok=True)
        self.path.chmod(0o700)

    def lock(self) -> int:
        """Take the folder's lock; return the descriptor that holds it, for the server to inherit.

        A server that is being killed holds the lock for a moment longer, and a child of its that
        was rewriting a file for a second or two: both are waited for.

        Raises:
            DataFolderLocked: another server lives in this folder; names it and its process.
        """
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if time.monotonic() - started > self._patience():
                    os.close(descriptor)
                    raise DataFolderLocked(self._lock_message()) from None
            time.sleep(_LOCK_RETRY)

    def _patience(self) -> float:
        record = self.read_record()
        lives = record is not None and record.all_alive()
        return _PATIENCE_WITH_THE_LIVING if lives else _PATIENCE_WITH_THE_DYING

    def _lock_message(self) -> str:
        record = self.read_record()
        holder = "a process that left no record"
        if record is not None:
            holder = f"process {record.owner} (its store is process {record.server})"
        return (
            f"the data folder {self.data_dir} is in use by {holder}: stop that one first, "
            "or choose another folder with --data-dir"
        )

    def read_record(self) -> StoreRecord | None:
        """Return what the last start noted, or None where nothing legible is."""
        try:
            return StoreRecord.model_validate_json(self._record_file.read_bytes())
        except (FileNotFoundError, ValidationError):  # cut short by a full disk: as good as none
            return None

    def write_record(self, record: StoreRecord) -> None:
        """Note where the server is, in one step for whoever reads at the same time."""
        draft = self._record_file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(record.model_dump_json())
        draft.replace(self._record_file)

    def place_socket(self, before: str = "") -> str:
        """Return the path for the server's socket: in the folder unless its path is too long.

        Args:
            before: where it was before a restart; if it can, it stays there, as clients know it.
        """
        inside = str(self.path / "valkey.sock")
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
            return inside
        if before:
            with suppress(FileExistsError):  # somebody took the name meanwhile
                Path(before).parent.mkdir(mode=0o700)
                return before
        room = _LONGEST_SOCKET_PATH - len("/upshot-12345678/valkey.sock")
        parent = tempfile.gettempdir()
        parent = parent if len(os.fsencode(parent)) <= room else "/tmp"
        return str(Path(tempfile.mkdtemp(prefix=_SHORT_FOLDER_PREFIX, dir=parent), "valkey.sock"))

    def tidy(self) -> None:
        """Remove what a server that ended left, unless another server lives here by now."""
        with self._lock_file.open("rb") as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.clear_record()

    def clear_record(self) -> None:
        """Remove the record, the socket and the socket's folder; the lock must be held."""
        record = self.read_record()
        if record is None:
            return
        path = Path(record.socket)
        if path.parent == self.path:
            path.unlink(missing_ok=True)
        elif path.parent.name.startswith(_SHORT_FOLDER_PREFIX):
            path.unlink(missing_ok=True)
            with suppress(FileNotFoundError):  # somebody tidied up the temporary files
                path.parent.rmdir()
        self._record_file.unlink(missing_ok=True)


def find_running(data_dir: Path, *, lasting: bool = True) -> str | None:
    """Return the address of the store that runs in `data_dir`, or None when none does.

    It is running as soon as it takes connections; it may still be loading its data.

    Args:
        data_dir: the data folder. lasting: leave out one that ends with some program.
    """
    record = DataFolder(data_dir).read_record()
    if record is None or (lasting and not record.lasting):
        return None
    return record.url if _listens(record.socket) else None


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:  # so many wait to be accepted that the queue is full
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True

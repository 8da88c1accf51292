"""Runs the embedded store: a Valkey server of our own that keeps what it acknowledged.

The way through: folder and lock → server process that inherits the lock → ready → address.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import TracebackType

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from .data_folder import DataFolder, StoreRecord, find_running
from .exceptions import StoreUnavailable, StoreUnsuitable
from .processes import GuardedProcess
from .server import server_binary, server_options

__all__ = ["EmbeddedStore", "find_running"]

_READY_POLL = 0.005
_LOG_LINES_SHOWN = 8
_LOG_KEPT_BYTES = 10 * 1024 * 1024


class EmbeddedStore:
    """A server for one data folder, in a session of its own, that ends with this process.

    The lock on the folder is the server's: it is free exactly when no server lives, whatever
    happened to the process that started it. `start` works again after any end of the server.
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        maxmemory: int = 0,
        timeout: float = 30.0,
        lasting: bool = True,
    ) -> None:
        """Prepare to serve `data_dir`; nothing is touched yet.

        Args:
            data_dir: the data folder; the store keeps to its subfolder `store`.
            maxmemory: bytes after which writes that need memory are refused; 0 for no limit.
            timeout: seconds the server may stay silent while starting; loading doesn't count.
            lasting: whether others may join it; see `find_running`.
        """
        self._folder = DataFolder(Path(data_dir))
        self._maxmemory = maxmemory
        self._timeout = timeout
        self._lasting = lasting
        self._process: GuardedProcess | None = None
        self._socket = ""

    def start(self) -> None:
        """Start the server and return when it serves; nothing happens when it already does.

        Raises:
            DataFolderLocked: another server lives in the folder.
            StoreUnavailable: it did not come up; the message ends with the end of its log.
            StoreUnsuitable: the folder can't be used, or no server is installed.
        """
        if self.alive():
            return
        binary = server_binary()
        try:
            log_start = self._launch(binary)
        except FileExistsError as error:
            raise StoreUnsuitable(f"the data folder {error.filename} is not a folder") from error
        except PermissionError as error:
            raise StoreUnsuitable(f"no permission to use {error.filename}") from error
        except OSError as error:
            message = f"can't start the store in {self._folder.data_dir}: {error}"
            raise StoreUnavailable(message) from error
        self._await_ready(log_start)

    def _launch(self, binary: str) -> int:
        """Start the server under the folder's lock; return how long its log was before."""
        self._folder.prepare()
        lock = self._folder.lock()
        try:
            self._folder.clear_record()
            self._socket = self._folder.place_socket(self._socket)
            record = StoreRecord(owner=os.getpid(), socket=self._socket, lasting=self._lasting)
            self._folder.write_record(record)
            log_start = self._rotate_log()
            self._process = self._spawn(binary, lock)
            self._folder.write_record(record.model_copy(update={"server": self._process.pid}))
        except OSError:
            self._kill()  # or it would run without a record of where
            raise
        finally:
            os.close(lock)  # the server's copy keeps it locked
        return log_start

    def _spawn(self, binary: str, lock: int) -> GuardedProcess:
        options = server_options(self._folder.path, self._socket, self._maxmemory)
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._folder.log_file.touch(mode=0o600)
        with self._folder.log_file.open("ab") as log:
            return GuardedProcess(
                [binary, *flags], output=log.fileno(), pass_fds=(lock,), umask=0o077
            )

    def _rotate_log(self) -> int:
        log = self._folder.log_file
        size = log.stat().st_size if log.exists() else 0
        if size > _LOG_KEPT_BYTES:
            log.replace(log.with_suffix(".log.1"))
            return 0
        return size

    def _await_ready(self, log_start: int) -> None:
        client = Redis(unix_socket_path=self._socket, retry=Retry(NoBackoff(), 0), socket_timeout=1)
        heard = time.monotonic()
        with client:
            while self.alive():
                try:
                    client.ping()
                    return
                except BusyLoadingError:
                    heard = time.monotonic()
                except (RedisConnectionError, RedisTimeoutError) as error:
                    if time.monotonic() - heard > self._timeout:
                        self.stop(timeout=0)
                        raise StoreUnavailable(self._failure("was silent", log_start)) from error
                time.sleep(_READY_POLL)
        raise StoreUnavailable(self._failure(f"ended with {self.returncode}", log_start))

    def _failure(self, what: str, log_start: int) -> str:
        with self._folder.log_file.open("rb") as log:
            log.seek(log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n  ".join(
            [
                f"the store in {self._folder.data_dir} {what} while starting; its log says:",
                *lines[-_LOG_LINES_SHOWN:],
            ]
        )

    def stop(self, timeout: float = 10.0) -> None:
        """End the server and wait for it; after `timeout` seconds it is killed.

        Killing loses nothing that was acknowledged.
        """
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        if self._process.wait(timeout) is None:
            self._kill()
        self._process = None
        self._folder.tidy()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def alive(self) -> bool:
        """Tell whether the server runs."""
        return self._process is not None and self._process.alive()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the server's end, `timeout` seconds at most.

        Returns:
            Its exit code (minus a signal's number), or None when it still runs or never did.
        """
        return self._process.wait(timeout) if self._process is not None else None

    @property
    def returncode(self) -> int | None:
        """The exit code of a server that ended by itself."""
        return self._process.returncode if self._process is not None else None

    @property
    def pid(self) -> int | None:
        """The server's process id, None when it does not run."""
        return self._process.pid if self._process is not None and self.alive() else None

    @property
    def url(self) -> str:
        """The address of the server, for redis-py's `from_url`.

        Raises:
            StoreUnavailable: it was not started.
        """
        if not self._socket:
            raise StoreUnavailable(f"the store in {self._folder.data_dir} was not started")
        return StoreRecord(owner=os.getpid(), socket=self._socket).url

    def __enter__(self) -> EmbeddedStore:
        """Start the server for a `with` block."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server at the block's end."""
        self.stop()

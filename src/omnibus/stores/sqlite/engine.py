"""One writer thread with group commit, one reader thread, on one SQLite file.

Source: docs/decisions/0002-sqlite.md (APSW's own library, WAL, ``synchronous=FULL``, ``BEGIN IMMEDIATE``).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import apsw

from omnibus.errors import ConfigError, StoreFull

T = TypeVar("T")
Job = Callable[[apsw.Connection], Any]
Call = tuple[Job, asyncio.AbstractEventLoop, asyncio.Future[Any]]
MOST = 200  # calls that share one commit
#: places for prepared statements, as many as APSW has. It takes the next place in turn each time that a statement is done,
#: also for each row of `executemany`: with fewer, a batch of fifty pushed all statements out, and each was parsed anew
STATEMENTS = 512
PATIENCE = 0.003  # seconds that a patient call waits for company
NEAR = 8  # rows of a read that costs less than the way to another thread and back


class Stale(Exception):
    """Roll one part of a commit back."""


def connect(path: Path, *, readonly: bool = False) -> apsw.Connection:
    """Open a connection with the settings that the promises rest on."""
    db = apsw.Connection(str(path), statementcachesize=STATEMENTS)
    db.set_busy_timeout(10_000)
    # else each new value of a parameter lets the statement be planned anew: ten times the price of running it
    # source: sqlite.org/c3ref/c_dbconfig_defensive.html on "QPSG"
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("PRAGMA cache_size=-65536")
    db.execute("PRAGMA temp_store=MEMORY")  # what a savepoint may undo; else each commit makes a file for it
    if readonly:
        db.execute("PRAGMA query_only=ON")
    return db


def at_once(db: apsw.Connection, look: Callable[[], T]) -> T:
    """Look at one moment of the store, however many statements it takes: others go on writing."""
    db.execute("BEGIN")
    try:
        return look()
    finally:
        db.execute("ROLLBACK")


class Undone(Exception):
    """Roll a whole commit back, whose only call was at fault."""

    def __init__(self, fault: Exception) -> None:
        super().__init__(fault)
        self.fault = fault


class Engine:
    """Run writing calls in groups, each group one commit, and reading calls beside them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._jobs: deque[Call] = deque()
        self._urgent: deque[Call] = deque()
        self._calls: SimpleQueue[None] = SimpleQueue()  # a reason each for the writer to look; in C, as its own wait is
        self._door = threading.Lock()  # nobody comes in once it is closing
        self._closing = False
        self._thread: threading.Thread | None = None
        self._reader: ThreadPoolExecutor | None = None
        self._reading: apsw.Connection | None = None
        self._near: apsw.Connection | None = None
        self._home = 0
        self._lock: int | None = None

    def start(self) -> None:
        """Start both threads."""
        self._closing, self._home = False, threading.get_ident()
        self._writing = connect(self.path)  # here, so that a file that cannot be opened is told to who opens it
        self._reader = ThreadPoolExecutor(1, "omnibus-reader")
        self._thread = threading.Thread(target=self._write_all, name="omnibus-writer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, close both connections and free the work lock; may be called twice."""
        with self._door:
            self._closing = True
        self._calls.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._reader is not None:
            self._reader.submit(self._close_reading).result()
            self._reader.shutdown()
            self._reader = None
        if self._near is not None:
            self._near.close()
            self._near = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def write(self, job: Callable[[apsw.Connection], T], *, urgent: bool = False, patient: bool = False) -> T:
        """Run *job* in the next commit and return once that commit is on disk.

        Args:
            urgent: goes before the others, and ends a commit under way after the call that is being run.
            patient: nobody outside waits for it; for a moment it lets another job bring the commit that both share.

        Raises:
            StoreFull: the commit was refused by the disk or by a lock; nothing is stored.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        with self._door:
            if self._closing or self._thread is None:
                raise StoreFull("the store is closed")
            (self._urgent if urgent else self._jobs).append((job, loop, done))
        if patient:
            loop.call_later(PATIENCE, self.nudge)
        else:
            self._calls.put(None)
        return await done

    def nudge(self) -> None:
        """Let what waits be written now."""
        if self._jobs or self._urgent:
            self._calls.put(None)

    async def read(self, job: Callable[[apsw.Connection], T], *, near: bool = False) -> T:
        """Run *job* on a reading connection; it sees every finished commit and waits for none.

        Args:
            near: a few rows by their keys, read right here: the way to the reader's thread and back costs more.

        Raises:
            StoreFull: the file is locked, damaged or gone.
        """
        if self._reader is None:
            raise StoreFull("the store is closed")
        if near and threading.get_ident() == self._home:
            if self._near is None:
                self._near = connect(self.path, readonly=True)
            await asyncio.sleep(0)  # whoever only reads still lets the others go on
            return _looked(self._near, job)
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, job)

    def take_work(self) -> None:
        """Hold the work lock until closed.

        Raises:
            ConfigError: another process holds it.
        """
        if self._lock is not None:
            return
        name = self.path.with_name(self.path.name + ".work")
        handle = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(handle, 20).decode("ascii", "replace").strip() or "another process"
            os.close(handle)
            fix = "stop it first, or move to PostgreSQL for several workers"
            raise ConfigError(f"process {holder} already works on this store", where=name.name, fix=fix) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        self._lock = handle

    def _read(self, job: Callable[[apsw.Connection], T]) -> T:
        if self._reading is None:
            self._reading = connect(self.path, readonly=True)
        return _looked(self._reading, job)

    def _close_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _write_all(self) -> None:
        db = self._writing
        while True:
            if not self._closing:
                self._calls.get()
            while not self._calls.empty():  # before the jobs: whoever calls has put theirs in, so none is passed over
                self._calls.get_nowait()
            waiting = self._urgent or self._jobs
            if not waiting:
                if self._closing:
                    break
                continue
            group = [waiting.popleft() for _ in range(min(len(waiting), MOST))]
            self.nudge()
            answers = self._commit(db, [job for job, _, _ in group], cut=waiting is self._jobs)
            told: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
            for (_, loop, done), answer in zip(group, answers, strict=False):
                told.setdefault(loop, []).append((done, answer))
            self._jobs.extendleft(reversed(group[len(answers) :]))
            if self._jobs:
                self._calls.put(None)
            for loop, these in told.items():  # one call across threads for all of them
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_resolve, these)
        db.close()

    def _commit(self, db: apsw.Connection, jobs: Sequence[Job], *, cut: bool) -> list[Any]:
        """Run jobs and commit them; answers as many as were run.

        Args:
            cut: what is urgent does not wait for all of them: the rest go into the next commit.
        """
        answers: list[Any] = []
        try:
            db.execute("BEGIN IMMEDIATE")
            for job in jobs:
                answers.append(_one(db, job) if len(jobs) > 1 else _alone(db, job))
                if cut and self._urgent:
                    break
            db.execute("COMMIT")
        except Undone as undone:
            _undo(db)
            return [undone.fault]
        except Exception as error:  # noqa: BLE001 - full, locked, damaged, gone, or our own fault: none of them waits for ever
            _undo(db)
            return [StoreFull(f"the store cannot write now ({type(error).__name__})")] * len(jobs)
        return answers


_GONE = (apsw.FullError, apsw.BusyError, apsw.IOError, apsw.ReadOnlyError, apsw.CorruptError, apsw.NotADBError)


def _looked(db: apsw.Connection, job: Callable[[apsw.Connection], T]) -> T:
    try:
        return job(db)
    except _GONE as error:
        raise StoreFull(f"the store cannot be read now ({type(error).__name__})") from None


def _undo(db: apsw.Connection) -> None:
    with suppress(apsw.Error):  # SQLite may have undone it itself; if not, the next commit is refused and says so
        if db.in_transaction:
            db.execute("ROLLBACK")


def _one(db: apsw.Connection, job: Job) -> Any:
    """Run one call under its own savepoint, so that its fault undoes nobody else's work."""
    try:
        with db:
            return job(db)
    except _GONE:
        raise
    except Exception as error:  # noqa: BLE001 - handed to the caller, who raises it
        return error


def _alone(db: apsw.Connection, job: Job) -> Any:
    """Run the only call of a commit: its fault undoes the whole, so it needs no savepoint."""
    try:
        return job(db)
    except _GONE:
        raise
    except Exception as error:
        raise Undone(error) from error


def _resolve(told: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for done, answer in told:
        if done.done():
            continue
        if isinstance(answer, Exception):
            done.set_exception(answer)
        else:
            done.set_result(answer)

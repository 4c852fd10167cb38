"""Takes uploads as a careful program on FastAPI does: a file, one commit, one confirmed message. It checks no one's
rights and syncs nothing. Started by uvicorn, with STORE (a directory), DATABASE_URL and AMQP_URL.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import uuid

import aio_pika
import asyncpg
import fastapi

STORE = os.environ["STORE"]
PIECE_BYTES = 1 << 20
THREADS = 16
QUEUE = "bench.uploads"
# The workers start at once.
SCHEMA = """
    SELECT pg_advisory_xact_lock(1);
    CREATE TABLE IF NOT EXISTS uploads (
        id uuid PRIMARY KEY, filename text NOT NULL, bytes bigint NOT NULL, sha256 text NOT NULL,
        state text NOT NULL DEFAULT 'queued', created_at timestamptz NOT NULL DEFAULT now())
"""
INSERT = """
    INSERT INTO uploads (id, filename, bytes, sha256)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[])
"""


class Stored:
    """A file being written, and hashed on the way."""

    def __init__(self, filename):
        self.id = uuid.uuid4()
        self.filename = filename
        self.bytes = 0
        self.hash = hashlib.sha256()
        self.file = open(f"{STORE}/{self.id}", "wb", buffering=0)

    def append(self, piece):
        self.file.write(piece)
        self.hash.update(piece)
        self.bytes += len(piece)

    def copy(self, source):
        buffer = memoryview(bytearray(PIECE_BYTES))
        while count := source.readinto(buffer):
            self.append(buffer[:count])
        self.file.close()


@dataclasses.dataclass
class Services:
    """What lives as long as a worker."""

    database: asyncpg.Pool
    channel: aio_pika.abc.AbstractChannel
    threads: concurrent.futures.Executor

    async def in_thread(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self.threads, function, *arguments)

    async def accept(self, files):
        """One commit for all, and a message for each, whose confirms arrive in any order."""
        await self.database.execute(
            INSERT, [file.id for file in files], [file.filename for file in files],
            [file.bytes for file in files], [file.hash.hexdigest() for file in files])
        await asyncio.gather(*(self.announce(file) for file in files))
        return {"assets": [{"id": file.id, "filename": file.filename, "bytes": file.bytes,
                            "sha256": file.hash.hexdigest()} for file in files]}

    async def announce(self, file):
        message = aio_pika.Message(json.dumps({"id": str(file.id)}).encode(),
                                   delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self.channel.default_exchange.publish(message, QUEUE)


@contextlib.asynccontextmanager
async def lifespan(app):
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10) as database:
        await database.execute(SCHEMA)
        async with await aio_pika.connect_robust(os.environ["AMQP_URL"]) as connection:
            channel = await connection.channel(publisher_confirms=True)
            await channel.declare_queue(QUEUE, durable=True)
            with concurrent.futures.ThreadPoolExecutor(THREADS) as threads:
                app.state.services = Services(database, channel, threads)
                yield


app = fastapi.FastAPI(lifespan=lifespan)


@app.get("/ready")
async def ready():
    return {}


@app.post("/uploads", status_code=201)
async def take_form(request: fastapi.Request, files: list[fastapi.UploadFile]):
    """The framework puts each file into a temporary one; it is copied from there."""
    services = request.app.state.services

    async def take(upload):
        stored = Stored(upload.filename)
        await services.in_thread(stored.copy, upload.file)
        return stored

    return await services.accept(await asyncio.gather(*(take(file) for file in files)))


@app.put("/uploads/{filename}", status_code=201)
async def take_body(request: fastapi.Request, filename: str):
    """A piece is written and hashed while the next one arrives."""
    services = request.app.state.services
    stored = Stored(filename)
    work = None
    async for piece in pieces(request):
        if work:
            await work
        work = asyncio.ensure_future(services.in_thread(stored.append, piece))
    if work:
        await work
    stored.file.close()
    return await services.accept([stored])


async def pieces(request):
    """The body, in pieces that are worth a thread's time."""
    waiting, count = [], 0
    async for chunk in request.stream():
        waiting.append(chunk)
        count += len(chunk)
        if count >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, count = [], 0
    if waiting:
        yield b"".join(waiting)

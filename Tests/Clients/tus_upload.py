"""Uploads a file as other people's tus clients do, however often the server goes away meanwhile.

    tus_upload.py tuspy|aiotus http://127.0.0.1:8080/v1/uploads TOKEN FILE
"""

import asyncio
import os
import sys

import aiotus
from tusclient.client import TusClient


def with_tuspy(url: str, headers: dict[str, str], path: str) -> str:
    client = TusClient(url, headers=headers)
    uploader = client.uploader(
        path,
        chunk_size=24 << 20,
        retries=100,
        retry_delay=1,
        metadata={"filename": os.path.basename(path)},
    )
    uploader.upload()
    return uploader.url


def with_aiotus(url: str, headers: dict[str, str], path: str) -> str:
    async def upload() -> str:
        retry = aiotus.RetryConfiguration(retry_attempts=100, max_retry_period_seconds=1.0)
        metadata = {"filename": os.path.basename(path).encode()}
        with open(path, "rb") as file:
            address = await aiotus.upload(url, file, metadata, config=retry, headers=headers)
        if address is None:
            sys.exit("aiotus has given up")
        return str(address)

    return asyncio.run(upload())


def main() -> None:
    name, url, token, path = sys.argv[1:]
    upload = {"tuspy": with_tuspy, "aiotus": with_aiotus}[name]
    print(upload(url, {"Authorization": f"Bearer {token}"}, path))


if __name__ == "__main__":
    main()

"""An object store in this process: moto's S3 on a free port, empty, and what is in it."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
from collections.abc import Iterator
from unittest import mock

import pyarrow.fs as pafs
from bad_store import BadStore, Schedule

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
OF_OTHERS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE")
"""Variables that must not say anything else while it is used."""


class ObjectStore:
    """Where it is, and what this process's environment has to say for it to be found."""

    def __init__(self, host: str, port: int):
        self.host, self.port = host, port

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"

    def variables(self, endpoint: str = "") -> dict[str, str]:
        """The environment in which `s3://` means this store."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint or self.endpoint}

    def options(self, endpoint: str = "") -> str:
        """The same as options of a URI."""
        return f"?region=us-east-1&scheme=http&endpoint_override={(endpoint or self.endpoint).partition('://')[2]}"

    def behind(self, schedule: Schedule) -> BadStore:
        """A proxy at which requests fail by a schedule."""
        return BadStore(self.host, self.port, schedule)

    def files(self) -> pafs.FileSystem:
        """The store as pyarrow has it, with none of ours between."""
        return pafs.S3FileSystem(region="us-east-1", endpoint_override=self.endpoint, allow_bucket_creation=True)

    def make_bucket(self, name: str) -> None:
        self.files().create_dir(name)

    def put(self, name: str, data: bytes) -> None:
        with self.files().open_output_stream(name, compression=None) as file:
            file.write(data)

    def get(self, name: str) -> bytes:
        with self.files().open_input_file(name) as file:
            return file.read()

    def names(self, folder: str) -> list[str]:
        """What lies below a bucket and prefix."""
        found = self.files().get_file_info(pafs.FileSelector(folder, recursive=True, allow_not_found=True))
        return sorted(info.path for info in found if info.type == pafs.FileType.File)

    def upload(self, folder: pathlib.Path, name: str) -> None:
        """What lies in a local folder, below a bucket or prefix."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{name}/{path.relative_to(folder)}", path.read_bytes())

    def download(self, name: str, folder: pathlib.Path) -> pathlib.Path:
        """What lies below a bucket and prefix, in a local folder."""
        for found in self.names(name):
            path = folder / found.removeprefix(name + "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.get(found))
        return folder


@contextlib.contextmanager
def running() -> Iterator[ObjectStore]:
    """A store for as long as what is inside takes, in an environment that says nothing of others."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    with mock.patch.dict(os.environ, CREDENTIALS):
        for name in OF_OTHERS:
            os.environ.pop(name, None)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            yield ObjectStore(*server.get_host_and_port())
        finally:
            server.stop()

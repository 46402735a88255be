"""A real S3 server for tests: built once from Go modules that a committed file pins, started on a free port over a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from headwater.store import S3Access
from tests.cache import made_once, run
from tests.processes import ending_with_us
from tests.served import free_port
from tests.tools import cannot_run
from tests.waiting import until

ACCESS_KEY, SECRET_KEY, REGION = "test-access-key", "test-secret-key", "us-east-1"
BUCKET = "test-bucket"
_PROGRAM = "github.com/versity/versitygw/cmd/versitygw"
_MODULE = Path(__file__).parent / "s3"


def build() -> Path:
    """Return the server's program, built the first time: some minutes, and a hundred modules."""
    known = shutil.which("versitygw")
    if known is not None:
        return Path(known)

    def make(fresh: Path) -> None:
        if (go := shutil.which("go")) is None:
            cannot_run("there is no Go 1.25 or newer to build an S3 server with; or put versitygw on the PATH")
        run([go, "build", "-mod=readonly", "-trimpath", "-o", fresh / "versitygw", _PROGRAM], _MODULE, 1200, CGO_ENABLED="0")

    return made_once("s3-server", _MODULE / "go.sum", make) / "versitygw"


class S3Server:
    """The server, between `start` and `stop`, with one bucket; at the end of a `with` it does not run."""

    def __init__(self, program: Path, folder: Path, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> None:
        self._program, self._folder, self.port = program, folder, free_port()
        folder.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.access = S3Access(self.endpoint, REGION, access_key, secret_key, path_style=True)

    def __enter__(self) -> S3Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> S3Server:
        environment = {**os.environ, "ROOT_ACCESS_KEY": self.access.access_key, "ROOT_SECRET_KEY": self.access.secret_key}
        self.process = subprocess.Popen(
            ending_with_us(self._program, "--port", f"127.0.0.1:{self.port}", "--region", REGION, "posix", str(self._folder)),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        client = self.client(retries={"total_max_attempts": 1})
        try:
            assert until(lambda: _answers(client)), "the S3 server did not start"
            if not (self._folder / BUCKET).exists():
                client.create_bucket(Bucket=BUCKET)
        except BaseException:
            self.stop()
            raise
        finally:
            client.close()
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def client(self, **config: Any) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.access.access_key,
            aws_secret_access_key=self.access.secret_key,
            config=Config(s3={"addressing_style": "path"}, **config),
        )

    def keys(self, prefix: str = "") -> list[str]:
        """What is in the bucket."""
        client = self.client()
        try:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
            return [each["Key"] for page in pages for each in page.get("Contents", [])]
        finally:
            client.close()

    def settings(self) -> str:
        """Lines that let a project use the server."""
        access = self.access
        return f's3.endpoint = "{self.endpoint}"\ns3.access_key = "{access.access_key}"\ns3.secret_key = "{access.secret_key}"\n'


def _answers(client: Any) -> bool:
    try:
        client.list_buckets()
    except Exception:
        return False
    return True

"""Which filesystem a URI means: S3 by our own hand, others that pyarrow has, and fsspec's for the rest.

A filesystem is opened once a process (a child that was forked opens its own, since connections and threads do not
outlive a fork) and kept for all names on it. Every one is `retries.Steady`, but for this machine's disk.
"""

from __future__ import annotations

import contextlib
import email.utils
import functools
import importlib
import os
import socket
import sys
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from corpus.io import retries

OF_ARROW = ("gs", "gcs", "hdfs", "viewfs", "abfs", "abfss")
"""Schemes, beside s3 and file, that pyarrow opens."""
FLAT = ("s3", "gs", "gcs", "abfs", "abfss")
"""Of them those without folders: what is above a file need not be made."""
WHOLE_URL = ("http", "https")
"""Schemes whose names are URLs as they stand, quotes and query too."""
CONNECT_SECONDS, REQUEST_SECONDS = 10.0, 60.0
"""How long S3 may take to accept a connection, and to send nothing at all."""
S3_OPTIONS = {
    "region": str, "scheme": str, "endpoint_override": str, "role_arn": str, "session_name": str, "external_id": str,
    "tls_ca_file_path": str, "connect_timeout": float, "request_timeout": float, "anonymous": bool,
    "allow_bucket_creation": bool, "allow_bucket_deletion": bool, "force_virtual_addressing": bool,
    "check_directory_existence_before_creation": bool, "background_writes": bool,
}  # fmt: skip
"""What may stand behind the `?` of an s3:// URI: arguments of `pyarrow.fs.S3FileSystem`."""
ENVIRONMENT = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION")
"""Variables that say where S3 is, the ones that count first before those that stand in for them. Credentials are the
library's matter: variables, files, the machine's role."""
INSTALL = ".venv/bin/pip install '.[remote]' in Winnow's folder"
SCHEMES = ("file", "s3", *OF_ARROW, *WHOLE_URL, "hf")
"""Those that people are told of."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
"""Variables, in capitals too, that name a host which knows the names of others."""


def open_store(address: str, options: str) -> tuple[pafs.FileSystem, str]:
    """(filesystem, path on it) of a URI, without and only its options. Raises ValueError for a scheme or an option that
    is not known, or whose package is not installed; OSError if a store cannot be reached."""
    scheme, _, rest = address.partition("://")
    scheme = scheme.lower()
    authority, slash, path = rest.partition("/")
    path = urllib.parse.unquote(slash + path).rstrip("/")
    if scheme == "file":
        return pafs.FileSystem.from_uri(urllib.parse.quote(address, safe=":/%@") + options)
    if scheme == "s3":
        keys, _, bucket = authority.rpartition("@")
        if not bucket:
            raise ValueError("an s3:// URI names a bucket")
        settings = _s3_settings(bucket, keys, _given(options))
        return _s3(os.getpid(), tuple(sorted(settings.items()))), urllib.parse.unquote(bucket) + path
    if scheme in OF_ARROW:
        filesystem, base = _of_arrow(os.getpid(), scheme, authority, options)
        return filesystem, base + path
    if scheme in WHOLE_URL:
        return _of_fsspec(os.getpid(), scheme, "", ""), address + options
    filesystem = _of_fsspec(os.getpid(), scheme, authority, options)
    return filesystem, filesystem.handler.filesystem.handler.fs._strip_protocol(f"{scheme}://{authority}{path}")


def check_host(address: str, options: str) -> None:
    """Raises StoreFailed at once where nobody knows the host of a URI, which otherwise is asked for again and again."""
    scheme, _, rest = address.partition("://")
    remedy = "is there a network?"
    if scheme.lower() == "s3":
        host = _s3_host(_given(options))
        remedy += " Where S3 is not Amazon's, AWS_ENDPOINT_URL says where it is"
    elif scheme.lower() in (*WHOLE_URL, "hf"):
        hub = _given(options).get("endpoint") or os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        url = hub if scheme.lower() == "hf" else address
        host = urllib.parse.urlsplit(url).hostname or ""
    else:
        return
    if any(os.environ.get(name) or os.environ.get(name.upper()) for name in PROXIES):
        return
    try:
        _look_up(os.getpid(), host)
    except (OSError, UnicodeError):
        raise retries.StoreFailed(f"{address}: the host {host} is not known here: {remedy}") from None


def _s3_host(given: dict[str, str]) -> str:
    endpoint = given.get("endpoint_override") or os.environ.get(ENVIRONMENT[0]) or os.environ.get(ENVIRONMENT[1])
    region = given.get("region") or os.environ.get(ENVIRONMENT[2]) or os.environ.get(ENVIRONMENT[3])
    if endpoint:
        return urllib.parse.urlsplit(f"//{endpoint.rpartition('://')[2]}").hostname or ""
    return f"s3.{region}.amazonaws.com" if region else "s3.amazonaws.com"


@functools.lru_cache(maxsize=64)
def _look_up(process: int, host: str) -> None:
    socket.getaddrinfo(host, None)


def is_whole_url(name: str) -> bool:
    """Whether the name of a file is an URL that stands for itself."""
    return name.partition("://")[0].lower() in WHOLE_URL


def environment() -> dict[str, str]:
    """What this process's environment says of where S3 is: for workers elsewhere."""
    return {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}


def _given(options: str) -> dict[str, str]:
    """The options of a URI (`?region=x&scheme=http`) by name."""
    return dict(urllib.parse.parse_qsl(options.removeprefix("?"), keep_blank_values=True))


# ------------------------------------------------------------------ S3


def _s3_settings(bucket: str, keys: str, given: dict[str, str]) -> dict[str, Any]:
    """Arguments of S3FileSystem: a URI's options, and what the environment says where it does not."""
    unknown = sorted(set(given) - set(S3_OPTIONS))
    if unknown:
        raise ValueError(f"s3:// has no option {unknown[0]!r} (it has {', '.join(S3_OPTIONS)})")
    settings = {name: _value(name, text) for name, text in given.items()}
    if keys:
        access, _, secret = keys.partition(":")
        settings |= {"access_key": urllib.parse.unquote(access), "secret_key": urllib.parse.unquote(secret)}
    endpoint = settings.get("endpoint_override") or os.environ.get(ENVIRONMENT[0]) or os.environ.get(ENVIRONMENT[1])
    if endpoint:
        scheme, mark, host = str(endpoint).rpartition("://")
        settings["endpoint_override"] = host.rstrip("/")
        if mark:
            settings.setdefault("scheme", scheme)
    if "region" not in settings:
        settings["region"] = os.environ.get(ENVIRONMENT[2]) or os.environ.get(ENVIRONMENT[3]) or ""
        if not settings["region"]:
            settings["region"] = "us-east-1" if endpoint else _region_of(os.getpid(), bucket)
    return settings


def _value(name: str, text: str) -> str | float | bool:
    kind = S3_OPTIONS[name]
    try:
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise ValueError(f"option {name} of s3:// is {'true or false' if kind is bool else 'a number'}") from None


@functools.lru_cache(maxsize=256)
def _region_of(process: int, bucket: str) -> str:
    """Where AWS has a bucket."""
    return retries.call(lambda: pafs.resolve_s3_region(bucket), f"s3://{bucket}: S3")


@functools.lru_cache(maxsize=64)
def _s3(process: int, settings: tuple[tuple[str, Any], ...]) -> pafs.FileSystem:
    given = {"connect_timeout": CONNECT_SECONDS, "request_timeout": REQUEST_SECONDS, **dict(settings)}
    if int(pa.__version__.partition(".")[0]) >= 18:
        given["allow_delayed_open"] = True  # a small file is one request, and not three

    def filesystem(attempts: int) -> pafs.S3FileSystem:
        return pafs.S3FileSystem(**given, retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=attempts))

    endpoint = given.get("endpoint_override")
    store = f"the store at {given.get('scheme', 'https')}://{endpoint}" if endpoint else f"S3 in {given['region']}"
    steady = retries.Steady(
        filesystem(1),  # we try again, and count it
        "s3://",
        store,
        functools.cache(lambda: filesystem(retries.ATTEMPTS)),
        flat=True,
        makes_buckets=bool(given.get("allow_bucket_creation")),
    )
    return pafs.PyFileSystem(steady)


# ------------------------------------------------------------------ others


@functools.lru_cache(maxsize=64)
def _of_arrow(process: int, scheme: str, authority: str, options: str) -> tuple[pafs.FileSystem, str]:
    """(filesystem, what stands before a path) of one that pyarrow knows by its URI."""
    below = "/x"
    try:
        filesystem, path = pafs.FileSystem.from_uri(f"{scheme}://{authority}{below}{options}")
    except (TypeError, NotImplementedError) as error:
        raise ValueError(str(error)) from error
    base = path.removesuffix(below)
    root = f"{scheme}://" if base else f"{scheme}://{authority.rpartition('@')[2]}"
    steady = retries.Steady(filesystem, root, f"{scheme}://{authority.rpartition('@')[2]}", lambda: filesystem)
    steady.flat = scheme in FLAT
    return pafs.PyFileSystem(steady), base


@functools.lru_cache(maxsize=64)
def _of_fsspec(process: int, scheme: str, authority: str, options: str) -> pafs.FileSystem:
    """A filesystem of fsspec's, by name so that its version is no part of what tasks are: it brings bytes, and makes
    none."""
    known = ", ".join(SCHEMES)
    try:
        fsspec = importlib.import_module("fsspec")
    except ImportError:
        if scheme not in SCHEMES:
            raise ValueError(f"{scheme}:// is not known (known are {known}; more with {INSTALL})") from None
        raise ValueError(f"for {scheme}://, packages are needed that are not installed: {INSTALL}") from None
    if scheme not in fsspec.available_protocols():
        raise ValueError(f"{scheme}:// is not known (known are {known}, and what else fsspec has)")
    try:
        with _silent_ends():
            kind = fsspec.get_filesystem_class(scheme)
            said = kind._get_kwargs_from_urls(f"{scheme}://{authority}/")  # the host of ftp://host/
            filesystem = pafs.PyFileSystem(FromFsspec(kind(**{**said, **_given(options)})))
    except ImportError as error:
        raise ValueError(
            f"for {scheme}://, a package is needed that is not installed: {INSTALL} ({' '.join(str(error).split())})"
        ) from None
    except (ValueError, TypeError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    except OSError as error:
        raise retries.StoreFailed(f"the store of {scheme}://{authority} cannot be reached: {error}") from None
    root = "" if scheme in WHOLE_URL else f"{scheme}://"
    return pafs.PyFileSystem(retries.Steady(filesystem, root, f"the store of {scheme}://", lambda: filesystem))


@contextlib.contextmanager
def _silent_ends() -> Iterator[None]:
    """Nothing is printed of objects that were never whole, and fail when they go."""
    before, sys.unraisablehook = sys.unraisablehook, lambda given: None
    try:
        yield
    except Exception as error:
        error.__traceback__ = None  # which holds the object
        raise error from None
    finally:
        sys.unraisablehook = before


class FromFsspec(pafs.FSSpecHandler):
    """A filesystem of fsspec's, which says "not found" of what it could not find out, too: here that fails."""

    def get_file_info(self, paths: Sequence[str]) -> list[pafs.FileInfo]:
        return [self._info(path) for path in paths]

    def _info(self, path: str) -> pafs.FileInfo:
        try:
            found = self.fs.info(path)
        except FileNotFoundError as error:
            if _is_failure(error):
                raise OSError(f"{error.__cause__}") from error.__cause__
            return pafs.FileInfo(path, pafs.FileType.NotFound)
        kinds = {"file": pafs.FileType.File, "directory": pafs.FileType.Directory}
        kind = kinds.get(found["type"], pafs.FileType.Unknown)
        return pafs.FileInfo(path, kind, size=found["size"], mtime=_changed(found))

    def open_input_file(self, path: str) -> pa.NativeFile:
        try:
            file = self.fs.open(path, mode="rb")
        except FileNotFoundError as error:
            if _is_failure(error):
                raise OSError(f"{error.__cause__}") from error.__cause__
            raise
        if getattr(file, "size", 0) is None:
            raise retries.StoreFailed(f"{path}: the server does not say how large it is; download the file first")
        return pa.PythonFile(file, mode="r")


def _is_failure(error: FileNotFoundError) -> bool:
    """Whether it was made of an error that says something else."""
    cause = error.__cause__
    return cause is not None and not isinstance(cause, FileNotFoundError) and retries.status_of(cause) != 404


def _changed(found: dict[str, Any]) -> float | None:
    """When a file was changed, in seconds since 1970, where fsspec knows."""
    said = found.get("Last-Modified")
    return email.utils.parsedate_to_datetime(said).timestamp() if said else found.get("mtime")

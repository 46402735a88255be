"""The public listener's certificate: loaded and checked at the start, taken anew when it was renewed."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import structlog

from headwater.errors import SettingsError
from headwater.settings import PublicSettings

EXPIRES_SOON = timedelta(days=7)


class TlsFiles(NamedTuple):
    """Where a certificate with its chain lies, and where its key: PEM both."""

    certificate: Path
    key: Path

    def options(self) -> list[str]:
        """Return the command line options that name them, wherever the command is run."""
        return ["--tls-cert", str(self.certificate.absolute()), "--tls-key", str(self.key.absolute())]


def tls_files(public: PublicSettings, project: Path, certificate: Path | None = None, key: Path | None = None) -> TlsFiles | None:
    """Return the files to secure the public listener with, None for plain HTTP; *certificate* and *key*, from options, win over settings.

    Raises `SettingsError` if one of the two is missing.
    """
    certificate = certificate or (project / public.tls_cert if public.tls_cert else None)
    key = key or (project / public.tls_key if public.tls_key else None)
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing, given = ("cert", key) if certificate is None else ("key", certificate)
        raise SettingsError(f"{given} needs its other half: give --tls-{missing}, or set public.tls_{missing}")
    return TlsFiles(certificate, key)


class ServerTls:
    """What new connections are secured with."""

    def __init__(self, files: TlsFiles) -> None:
        """Raise `SettingsError`, which names file and reason, if they cannot be used."""
        self._files = files
        self._seen = self._stamps()
        self._context, self._good_until = load_context(files), expires(files.certificate)
        self._reminded: date | None = None
        self._log = structlog.get_logger("tls")
        self._remind()

    def context(self) -> ssl.SSLContext:
        """Return what the next connection is to be secured with."""
        return self._context

    async def refresh(self) -> None:
        """Take the files if they have changed. Those that cannot be used, such as a half-written pair, are reported; the former stay."""
        stamps = self._stamps()
        if stamps != self._seen:
            self._seen = stamps
            try:
                context = await asyncio.to_thread(load_context, self._files)
                self._context, self._good_until = context, expires(self._files.certificate)
                self._log.info("a renewed certificate is in use", path=str(self._files.certificate), good_until=str(self._good_until))
            except SettingsError as error:
                self._log.error("the renewed certificate cannot be used; the former one stays", reason=str(error))
        self._remind()

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_stamp, self._files))

    def _remind(self) -> None:
        """Say once a day that the end is near."""
        now = datetime.now(UTC)
        if self._good_until - now < EXPIRES_SOON and self._reminded != now.date():
            self._reminded = now.date()
            self._log.warning(
                "the certificate expires; clients refuse it then", path=str(self._files.certificate), good_until=str(self._good_until)
            )


def load_context(files: TlsFiles) -> ssl.SSLContext:
    """Return a context for TLS 1.2 and later that speaks HTTP/1.1. Raises `SettingsError` that names file and reason."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    texts = [_read(path) for path in files]
    try:
        # an encrypted key calls for its password: without an answer of ours OpenSSL would ask the terminal, and wait
        context.load_cert_chain(*files, password=_no_password)
    except _Encrypted:
        raise SettingsError(f"{files.key} is encrypted; write it without a password: openssl pkey -in {files.key} -out plain.pem") from None
    except OSError as error:
        raise SettingsError(_explain(error, files, *texts)) from None
    return context


def expires(certificate: Path) -> datetime:
    """Return when the first certificate of the file stops being good. Raises `SettingsError` if there is none."""
    try:
        from cryptography import x509  # 10 MB, which a supervisor without TLS does not need

        return x509.load_pem_x509_certificates(_read(certificate))[0].not_valid_after_utc
    except ValueError as error:
        raise SettingsError(f"{certificate} cannot be read as certificates: {error}") from None


class _Encrypted(Exception):
    """A key cannot be read without a password."""


def _no_password() -> str:
    raise _Encrypted


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None


def _explain(error: OSError, files: TlsFiles, certificate: bytes, key: bytes) -> str:
    """Say what OpenSSL, which calls most of it `PEM lib`, found wrong."""
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"{files.key} is not the key of the first certificate in {files.certificate}; a chain begins with the server's own"
    if b"-----BEGIN CERTIFICATE-----" not in certificate:
        return f"{files.certificate} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    if b"PRIVATE KEY-----" not in key:
        return f"{files.key} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
    return f"{files.certificate} and {files.key} cannot be used: {error}"


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when the file does, also if it is a link that was set anew; None if there is no such file."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns

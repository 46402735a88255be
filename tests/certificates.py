"""Real certificates, for names and for 127.0.0.1, made by an authority of the tests' own."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


class Authority:
    """Signs certificates by way of an intermediate, so that a chain must be served; *root* is the file to trust."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root.pem"
        self._key, self._intermediate_key = _key(), _key()
        root = _certificate("root", self._key, "root", self._key, [], ca=True)
        self._intermediate = _certificate("intermediate", self._intermediate_key, "root", self._key, [], ca=True)
        self.root.write_bytes(root.public_bytes(Encoding.PEM))

    def issue(self, folder: Path, *names: str, days: int = 30) -> Pair:
        """Write a certificate for *names*, with its chain, and its key into *folder*, as certbot does."""
        key = _key()
        leaf = _certificate(names[0], key, "intermediate", self._intermediate_key, names, days=days)
        pair = Pair(folder)
        folder.mkdir(exist_ok=True)
        pair.certificate.write_bytes(leaf.public_bytes(Encoding.PEM) + self._intermediate.public_bytes(Encoding.PEM))
        pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return pair


class Pair:
    """The files of one certificate and its key."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "fullchain.pem", folder / "privkey.pem"

    @property
    def options(self) -> list[str]:
        return ["--tls-cert", str(self.certificate), "--tls-key", str(self.key)]

    @property
    def serial(self) -> str:
        """As `ssl.SSLSocket.getpeercert` spells it."""
        number = f"{self._leaf().serial_number:X}"
        return number.rjust(len(number) + len(number) % 2, "0")

    @property
    def pin(self) -> str:
        """The hash of the public key, which Chromium can be told to trust."""
        public = self._leaf().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(public).digest()).decode()

    def encrypted_key(self) -> bytes:
        """Return a key that needs a password."""
        return _key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))

    def take(self, other: Pair) -> None:
        """Become the other pair, at one moment for each file."""
        for ours, theirs in ((self.certificate, other.certificate), (self.key, other.key)):
            fresh = ours.with_suffix(".new")
            fresh.write_bytes(theirs.read_bytes())
            fresh.replace(ours)

    def _leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())


def _key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def _certificate(
    subject: str, key: Key, issuer: str, issuer_key: Key, names: tuple[str, ...] | list[str], ca: bool = False, days: int = 30
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if ca:
        usage = dict.fromkeys(("digital_signature", "key_cert_sign", "crl_sign"), True)
        others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
        builder = builder.add_extension(x509.KeyUsage(**usage, **dict.fromkeys(others, False)), critical=True)
    if names:
        general = [x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"headwater tests {text}")])

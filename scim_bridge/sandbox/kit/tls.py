"""A local certificate authority, because both vendors refuse to talk to anything but HTTPS."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS = 3650
LEAF_DAYS = 365
RENEW_DAYS = 30


def _write_secret(path: Path, data: bytes) -> None:
    """Write a file only its owner may read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    fresh.replace(path)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One process at a time: several sandboxes may share a directory and start together."""
    with (directory / "ca.lock").open("ab") as file:
        try:
            import fcntl
        except ImportError:  # Windows: the sandboxes are then started one after the other
            yield
        else:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    today = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@dataclass(frozen=True)
class LocalCa:
    """A certificate authority in a directory: `ca.pem` to trust, `ca.key` (0600) to sign with."""

    directory: Path

    @property
    def ca_file(self) -> Path:
        """The certificate to trust, PEM."""
        return self.directory / "ca.pem"

    def issue(self, hosts: Sequence[str]) -> tuple[Path, Path]:
        """A server certificate and key for DNS names and IP addresses; the same ones when asked again.

        Made anew when the CA changed or fewer than 30 days are left.
        """
        tag = hashlib.sha256("\n".join(hosts).encode()).hexdigest()[:12]
        cert_file, key_file = self.directory / f"server-{tag}.pem", self.directory / f"server-{tag}.key"
        with _locked(self.directory):
            if not self._usable(cert_file, key_file):
                self._issue(hosts, cert_file, key_file)
        return cert_file, key_file

    def _ca(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.ca_file.read_bytes())

    def _usable(self, cert_file: Path, key_file: Path) -> bool:
        if not (cert_file.exists() and key_file.exists()):
            return False
        try:
            cert = x509.load_pem_x509_certificate(cert_file.read_bytes())
            cert.verify_directly_issued_by(self._ca())
        except Exception:  # whatever is wrong with the old file, a new one mends it
            return False
        return cert.not_valid_after_utc > datetime.now(UTC) + timedelta(days=RENEW_DAYS)

    def _issue(self, hosts: Sequence[str], cert_file: Path, key_file: Path) -> None:
        ca = self._ca()
        ca_key = serialization.load_pem_private_key((self.directory / "ca.key").read_bytes(), None)
        assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        cert = (
            _builder(subject, ca.subject, key.public_key(), LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_host_name(host) for host in hosts]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(authority, critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        _write_secret(key_file, _key_pem(key))
        cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM) + self.ca_file.read_bytes())


def ensure_ca(directory: Path) -> LocalCa:
    """The certificate authority of a directory, created on first use (safe from several processes)."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = LocalCa(directory)
    with _locked(directory):
        if not (authority.ca_file.exists() and (directory / "ca.key").exists()):
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scim-bridge sandbox CA")])
            cert = (
                _builder(name, name, key.public_key(), CA_DAYS)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(_usage(ca=True), critical=True)
                .sign(key, hashes.SHA256())
            )
            _write_secret(directory / "ca.key", _key_pem(key))
            authority.ca_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return authority

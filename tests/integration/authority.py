"""Certificates for tests, made by the real openssl."""

import os
import pathlib
import shutil

import harness


def _openssl(*args):
    made = harness.run("openssl", *args)
    assert made.returncode == 0, made.stderr


class Pair:
    """A certificate and its key, in PEM files."""

    def __init__(self, folder, name):
        self.certificate = pathlib.Path(folder) / f"{name}.crt"
        self.key = pathlib.Path(folder) / f"{name}.key"

    def replace_with(self, other):
        """Each by a rename, as tools that renew certificates do it."""
        for own, new in ((self.certificate, other.certificate), (self.key, other.key)):
            shutil.copy(new, f"{own}.new")
            os.rename(f"{own}.new", own)

    @property
    def flags(self):
        return ["--tls-certificate", self.certificate, "--tls-key", self.key]

    def read(self):
        return self.certificate.read_bytes(), self.key.read_bytes()


class Authority:
    """Signs certificates; `certificate` is what others trust it by."""

    def __init__(self, folder, name="authority"):
        self._folder = pathlib.Path(folder)
        self._own = Pair(folder, name)
        self.certificate = self._own.certificate
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", "2", "-subj", f"/CN={name}", "-keyout", self._own.key, "-out",
                 self.certificate)
        os.chmod(self._own.key, 0o600)

    def make(self, name, names="DNS:localhost,IP:127.0.0.1", days=2):
        """Its subject is CN=`name`; it is for `names`."""
        made = Pair(self._folder, name)
        request = self._folder / f"{name}.csr"
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                 f"/CN={name}", "-keyout", made.key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._own.key,
                 "-CAcreateserial", "-days", str(days), "-extfile", extensions, "-out",
                 made.certificate)
        os.chmod(made.key, 0o600)
        return made

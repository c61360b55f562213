"""nginx as the far end of a benchmark: answers from memory, one worker, on one core."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; {user}
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; sendfile on;
  default_type text/plain;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    listen 127.0.0.1:{tls_port} ssl backlog=4096;
    ssl_protocols TLSv1.3; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location / {{ return 200 "{body}"; }}
    location /files/ {{ root {folder}; }}
  }}
}}
"""


class Nginx(NamedTuple):
    """A running nginx: its URLs, the issuer of its certificate, and a folder it serves."""

    url: str
    tls_url: str
    issuer: str
    files: Path


@contextmanager
def nginx(core: int, body: str = "x" * 1024) -> Iterator[Nginx | None]:
    """Run nginx for as long as the block does; None where it is not installed.

    Args:
        core: The core it runs on.
        body: What it answers to everything outside `/files/`.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        yield None
        return
    import trustme

    with tempfile.TemporaryDirectory(prefix="bench-nginx-") as name:
        folder = Path(name)
        (folder / "files").mkdir()
        folder.chmod(0o755)
        issuer = trustme.CA()
        issuer.cert_pem.write_to_path(str(folder / "issuer.pem"))
        certificate = issuer.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(folder / "cert.pem"), append=True)
        port, tls_port = _free(), _free()
        (folder / "nginx.conf").write_text(
            _CONFIGURATION.format(
                folder=folder,
                port=port,
                tls_port=tls_port,
                body=body,
                user="user root;" if os.geteuid() == 0 else "",
            )
        )
        process = subprocess.Popen(
            [program, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"],
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        try:
            _wait_for(port)
            yield Nginx(
                f"http://127.0.0.1:{port}/",
                f"https://localhost:{tls_port}/",
                str(folder / "issuer.pem"),
                folder / "files",
            )
        finally:
            process.terminate()
            process.wait()


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # it says nowhere that it is ready
        else:
            return

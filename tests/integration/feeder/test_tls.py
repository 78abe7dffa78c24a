"""A feeder with a certificate: who believes it follows it, nobody else does, and everybody is told why."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio

from adapters.feeder_client import MarketReplica
from tests.integration.feeder.conftest import Feeder, exchange
from tests.integration.feeder.processes import TOKEN, Process, following, until
from tests.integration.servers import free_port

x509 = pytest.importorskip("cryptography.x509", reason="the certificate of these tests is made with the package cryptography")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "feeder of the tests")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return files


@pytest_asyncio.fixture(scope="module")
async def feeder(certificate):
    shown = ("--tls-certificate", str(certificate[0]), "--tls-key", str(certificate[1]))
    async with exchange("--generate", "--symbols", "3") as address, Feeder(address, *shown, market="simulated") as program:
        program.address = f"127.0.0.1:{program.port}"
        await until(lambda: reachable(program.port))
        yield program


async def reachable(port):
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.transport.abort()
    return True


async def test_who_believes_the_certificate_gets_market_heartbeats_and_pages(feeder, certificate, token):
    urls = f"wss://{feeder.address},wss://127.0.0.1:{free_port()}"
    async with following(MarketReplica(urls, token, ca=str(certificate[0]))) as replica:
        await replica.ready(timedelta(seconds=30))
        assert 3 == len(replica.store.symbols)
        await until(lambda: replica._links[0].heartbeats.standing(asyncio.get_running_loop().time()).is_heard)
    async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=certificate[0])) as client:
        assert 3 == (await client.get(f"https://{feeder.address}/status")).json()["symbols"]


@pytest.mark.parametrize(
    ("scheme", "said"),
    [("wss", "not believed (self-signed certificate): CLOUDTRADER_FEEDER_CA"), ("ws", "did not receive a valid HTTP response")],
)
async def test_who_does_not_believe_it_or_speaks_without_tls_gets_nothing_and_says_why(feeder, token, caplog, scheme, said):
    async with following(MarketReplica(f"{scheme}://{feeder.address}", token)) as replica:
        await until(lambda: [record for record in caplog.records if said in record.getMessage()])
        assert (False, None) == (replica.connected, replica.market)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tls-certificate", "CERTIFICATE"), "needs both FEEDER_TLS_CERTIFICATE and FEEDER_TLS_KEY"),
        (("--tls-key", "KEY"), "needs both FEEDER_TLS_CERTIFICATE and FEEDER_TLS_KEY"),
        (("--tls-certificate", "CERTIFICATE", "--tls-key", "/nowhere/key.pem"), "No such file or directory"),
        (("--tls-certificate", "KEY", "--tls-key", "KEY"), "They are PEM files that the feeder can read"),
    ],
    ids=["no key", "no certificate", "no such file", "no certificate in it"],
)
async def test_a_feeder_whose_certificate_is_of_no_use_says_so_and_ends(certificate, options, said):
    files = {"CERTIFICATE": str(certificate[0]), "KEY": str(certificate[1])}
    given = [files.get(option, option) for option in options]
    refused = Process("feeder", "--port", str(free_port()), *given, environment={"FEEDER_TOKEN": TOKEN, "COLUMNS": "400"})
    await refused.start()
    assert 2 == await refused.ended()
    assert said in " ".join(refused.lines)
    assert "Traceback" not in " ".join(refused.lines)

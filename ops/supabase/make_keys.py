"""`python ops/supabase/make_keys.py`: prints fresh secrets for `.env`, with Supabase's two API keys signed by its JWT secret."""

import base64
import hashlib
import hmac
import json
import secrets
import sys
import time

VALID_FOR = 10 * 365 * 24 * 3600
"""Seconds; as Supabase's own keys for a self-hosted project."""


def api_key(role: str, jwt_secret: str) -> str:
    """A key that gives the rights of the database role `anon` or `service_role`: a JWT signed with HS256."""
    now = int(time.time())
    claims = {"role": role, "iss": "supabase", "iat": now, "exp": now + VALID_FOR}
    unsigned = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
    signature = hmac.new(jwt_secret.encode(), unsigned.encode(), hashlib.sha256).digest()
    return f"{unsigned}.{_base64url(signature)}"


def environment() -> dict[str, str]:
    """Every secret that temporal-compose.yml with its own Supabase wants."""
    jwt_secret, password = secrets.token_hex(32), secrets.token_hex(24)
    return {
        "TEMPORAL_POSTGRES_PASSWORD": secrets.token_hex(24),
        "CLOUDTRADER_FEEDER_TOKEN": secrets.token_hex(32),
        "SUPABASE_POSTGRES_PASSWORD": password,
        "SUPABASE_JWT_SECRET": jwt_secret,
        "CLOUDTRADER_SUPABASE_URL": "http://supabase:8000",
        "CLOUDTRADER_SUPABASE_SECRET_KEY": api_key("service_role", jwt_secret),
        "CLOUDTRADER_SUPABASE_PUBLISHABLE_KEY": api_key("anon", jwt_secret),
        "CLOUDTRADER_DATABASE_URL": f"postgresql://postgres:{password}@supabase-db:5432/postgres",
    }


def _encoded(part: dict[str, object]) -> str:
    return _base64url(json.dumps(part, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}={value}\n" for name, value in environment().items())

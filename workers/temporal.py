"""The connection to Temporal: address, namespace, TLS and API key as its own SDK reads them."""

from __future__ import annotations

import asyncio

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.service import RetryConfig, RPCError

from causal.errors import Unavailable
from workers.settings import Settings

CONNECT_WITHIN_SECONDS = 60.0
# Whoever asks the door is soon told to come again; activities have policies of their own.
RETRIES = RetryConfig(max_elapsed_time_millis=3000)


def how_to_connect(settings: Settings) -> ClientConnectConfig:
    """The SDK's own configuration, with our address and namespace; no ``target_host`` where none is set."""
    config = ClientConfig.load_client_connect_config()
    if settings.temporal_address:
        config["target_host"] = settings.temporal_address
    config.setdefault("namespace", settings.temporal_namespace)
    return config


async def connect(settings: Settings, *, within: float = CONNECT_WITHIN_SECONDS) -> Client:
    """A client; waits up to ``within`` seconds for the server to answer, then raises Unavailable."""
    config = how_to_connect(settings)
    if "target_host" not in config:
        raise Unavailable("no Temporal server: set TEMPORAL_ADDRESS, or run `aitia up`, which starts one")
    try:
        async with asyncio.timeout(within):
            return await _patiently(config)
    except TimeoutError:
        raise Unavailable(f"Temporal at {config['target_host']} did not answer in {within:.0f} s") from None


async def _patiently(config: ClientConnectConfig) -> Client:
    while True:
        try:
            return await Client.connect(
                **config, data_converter=pydantic_data_converter, retry_config=RETRIES
            )
        except (RPCError, RuntimeError):  # the SDK says RuntimeError for a connection refused
            await asyncio.sleep(0.3)

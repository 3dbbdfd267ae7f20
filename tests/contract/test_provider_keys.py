"""Sealed provider keys: the twin in memory and Postgres do the same, and nobody reads a key without the secret."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from maitre.assistants.catalogue_postgres import PostgresCatalogue
from maitre.errors import HouseError, ProviderError
from maitre.providers.keyring import Keyring
from maitre.providers.provider import Provider
from maitre.providers.provider_keys import KeyStore, ProviderKeys
from maitre.providers.provider_keys_memory import MemoryProviderKeys
from maitre.providers.provider_keys_postgres import PostgresProviderKeys
from maitre.providers.seal_aesgcm import AesGcmSeal
from maitre.sql.postgres import Database

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "house-secret-" * 4
CLOUD = Provider("cloud", "anthropic", "https://api.anthropic.com", sealed_key="claude")


@pytest.fixture(params=["memory", "postgres"])
def key_store(request: pytest.FixtureRequest) -> KeyStore:
    """An empty store of sealed keys."""
    if request.param == "memory":
        return MemoryProviderKeys()
    return PostgresProviderKeys(request.getfixturevalue("database"))


@pytest.fixture
def keys(key_store: KeyStore) -> ProviderKeys:
    """The story over it."""
    return ProviderKeys(key_store, AesGcmSeal(lambda: SECRET))


async def test_a_key_is_put_in_changed_and_taken_out(keys: ProviderKeys) -> None:
    """The newest key of a name counts; the list shows names and times only."""
    await keys.put("openai", "sk-first", NOW)
    await keys.put("claude", "sk-old", NOW)
    await keys.put("claude", "sk-new", NOW)
    assert await keys.listed() == {"claude": NOW, "openai": NOW}
    ring = Keyring()
    await keys.follow(1, frozenset({"claude"}), ring)
    assert ring.key_of(CLOUD) == "sk-new"
    assert await keys.remove("claude")
    assert not await keys.remove("claude")
    assert list(await keys.listed()) == ["openai"]


async def test_a_process_follows_the_version_of_the_catalogue(keys: ProviderKeys) -> None:
    """A changed key is taken at the next version; one that was removed is no longer there."""
    ring = Keyring()
    await keys.put("claude", "sk-one", NOW)
    await keys.follow(1, frozenset({"claude"}), ring)
    await keys.put("claude", "sk-two", NOW)
    await keys.follow(1, frozenset({"claude"}), ring)
    assert ring.key_of(CLOUD) == "sk-one"
    await keys.follow(2, frozenset({"claude"}), ring)
    assert ring.key_of(CLOUD) == "sk-two"
    await keys.remove("claude")
    await keys.follow(3, frozenset({"claude"}), ring)
    with pytest.raises(ProviderError) as missing:
        ring.key_of(CLOUD)
    assert (missing.value.key, missing.value.status) == ("provider_down", 503)
    assert "cli provider key set claude" in missing.value.cause


async def test_what_lies_in_the_store_holds_no_key(key_store: KeyStore, keys: ProviderKeys) -> None:
    """The same key sealed twice looks different, and shows nothing of itself."""
    await keys.put("one", "sk-ant-very-secret", NOW)
    await keys.put("two", "sk-ant-very-secret", NOW)
    one, two = await key_store.all()
    assert one.sealed != two.sealed
    assert b"secret" not in one.sealed + two.sealed


@pytest.mark.parametrize("how", ["another name", "another secret", "a changed byte", "too short"])
async def test_a_key_opens_only_as_it_was_sealed(how: str) -> None:
    """Moved under another name, opened with another secret, or touched: it does not open, and the sentence says so."""
    seal = AesGcmSeal(lambda: SECRET)
    sealed = seal.close("claude", "sk-key")
    assert seal.open("claude", sealed) == "sk-key"
    other = AesGcmSeal(lambda: "another" * 8) if how == "another secret" else seal
    spoilt = {"a changed byte": sealed[:-1] + bytes([sealed[-1] ^ 1]), "too short": b"x"}.get(how, sealed)
    with pytest.raises(HouseError, match="does not open with this house's secret"):
        other.open("openai" if how == "another name" else "claude", spoilt)


async def test_a_key_that_does_not_open_is_missing_and_the_log_says_why(
    key_store: KeyStore, caplog: pytest.LogCaptureFixture
) -> None:
    """One bad key keeps no other from being used."""
    await ProviderKeys(key_store, AesGcmSeal(lambda: "older" * 9)).put("claude", "sk-old", NOW)
    keys, ring = ProviderKeys(key_store, AesGcmSeal(lambda: SECRET)), Keyring()
    await keys.put("openai", "sk-good", NOW)
    with caplog.at_level(logging.ERROR):
        await keys.follow(1, frozenset({"claude", "openai"}), ring)
    assert ring.key_of(Provider("o", "openai", "https://x", sealed_key="openai")) == "sk-good"
    assert "“claude” does not open" in caplog.text
    assert "sk-" not in caplog.text


async def test_every_change_raises_the_catalogues_version(database: Database) -> None:
    """So running processes read the keys anew."""
    catalogue, keys = PostgresCatalogue(database), ProviderKeys(PostgresProviderKeys(database), AesGcmSeal(lambda: "s"))
    versions = [(await catalogue.read()).version]
    for change in ("put", "put", "remove"):
        await (keys.put("claude", "sk-1", NOW) if change == "put" else keys.remove("claude"))
        versions.append((await catalogue.read()).version)
    assert versions == sorted(set(versions))

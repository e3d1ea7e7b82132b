import os
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from apps.core import crypto
from apps.core.ids import new_id

KEY = os.urandom(32)


@given(st.binary(max_size=200), st.text(max_size=40))
def test_what_was_sealed_opens_in_its_own_place(plaintext: bytes, place: str) -> None:
    sealed = crypto.seal(plaintext, key=KEY, place=place)

    assert crypto.unseal(sealed, key=KEY, place=place) == plaintext


def test_a_sealed_value_does_not_open_in_another_place() -> None:
    sealed = crypto.seal(b"secret", key=KEY, place="a|providers|key|1")

    with pytest.raises(crypto.UnsealError):
        crypto.unseal(sealed, key=KEY, place="b|providers|key|1")


@given(st.integers(min_value=0, max_value=40))
def test_an_altered_byte_is_noticed(position: int) -> None:
    sealed = bytearray(crypto.seal(b"a secret of some length", key=KEY, place="p"))
    sealed[position % len(sealed)] ^= 1

    with pytest.raises(crypto.UnsealError):
        crypto.unseal(bytes(sealed), key=KEY, place="p")


def test_a_wrapped_data_key_opens_only_for_its_tenant() -> None:
    acme, globex = new_id(), new_id()
    wrapped = crypto.new_wrapped_data_key(acme)

    assert len(crypto.unwrap_data_key(wrapped, tenant_id=acme)) == 32
    with pytest.raises(crypto.UnsealError):
        crypto.unwrap_data_key(wrapped, tenant_id=globex)


def test_derived_keys_differ_by_purpose_and_tenant() -> None:
    tenant = UUID(int=7)
    keys = {
        crypto.derive_key("links", tenant_id=tenant),
        crypto.derive_key("cache", tenant_id=tenant),
        crypto.derive_key("links", tenant_id=None),
    }

    assert len(keys) == 3
    assert crypto.derive_key("links", tenant_id=tenant) in keys

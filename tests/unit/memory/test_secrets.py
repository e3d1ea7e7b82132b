"""What is never remembered, and what looks like it and is."""

import pytest

from apps.memory.secrets import secret_in, without_secrets

KEY = "-----{} PRIVATE" + " KEY-----"


@pytest.mark.parametrize(
    "text, kind",
    [
        ("My card is 4111 1111 1111 1111", "card_number"),
        ("card 5500-0055-5555-5559 expires soon", "card_number"),
        ("amex 378282246310005", "card_number"),
        ("-----BEGIN OPENSSH" + " PRIVATE KEY-----\nabc", "private_key"),
        ("-----BEGIN" + " PRIVATE KEY-----", "private_key"),
        ("use AKIA" + "IOSFODNN7EXAMPLE for the bucket", "access_key"),
        ("token ghp_" + "a1" * 18, "access_key"),
        ("sk-" + "proj-abcdEFGH1234abcdEFGH", "access_key"),
        ("xoxb-1234567890-abcdef", "access_key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig-nature_x", "access_key"),
        ("my password is swordfish", "password"),
        ("The password for the router is Hunter2!", "password"),
        ("Password: correct horse", "password"),
        ("Mein Passwort lautet Geheim99", "password"),
        ("api_key=abcd1234efgh", "password"),
        ("My PIN is 4821", "password"),
        ("CVV 123", "password"),
        ("The PIN of my card is 4821", "password"),
        ("password (home wifi): Geheim99", "password"),
    ],
)
def test_a_secret_is_recognised(text: str, kind: str) -> None:
    assert secret_in(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "I like my coffee black",
        "The password is stored in the vault of the team",
        "Passwords expire every 90 days",
        "She forgot her password again",
        "The order number is 4111 1111 1111 1112",  # no check digit of a card
        "Call me at +49 30 1234567890",
        "The meeting is on 2026-11-21 at 14:00",
        "My key to success is sleep",
        "He is a pin-ball champion",
        "Pin the report of 2024 to the wall",
        "The password policy: at least twelve characters",
        "version 1.2.3.4.5.6.7.8.9.10.11.12.13",
        "id 01a1fd44-bbf1-7480-93c7-933bc87d889c",
        "0000 0000 0000 0000",
        "sk-learn is a library for machine learning",
    ],
)
def test_what_is_no_secret_is_let_through(text: str) -> None:
    assert secret_in(text) == ""


@pytest.mark.parametrize(
    "text, kept",
    [
        ("my password is swordfish.", "my password is [password left out]"),
        ("pay with 4111 1111 1111 1111 now", "pay with [card number left out] now"),
        (f"{KEY.format('BEGIN')}\nMIIEvAIBADAN", "[private key left out]"),
        (
            f"{KEY.format('BEGIN')}\nMIIE\n{KEY.format('END')}\nis it",
            "[private key left out]\nis it",
        ),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_are_left_out_and_the_rest_stays(text: str, kept: str) -> None:
    assert without_secrets(text) == kept
    assert without_secrets(kept) == kept

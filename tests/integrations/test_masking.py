"""What must never be written down: secrets and personal data go, and what an audit is made of stays."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.audit import line_of, verify_rows
from integrations.masking import without_secrets
from integrations.memory import MemoryAuditLog
from integrations.ports import AuditEntry

# Names


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "password",
        "x-api-key",
        "apiKey",
        "client_secret",
        "Authorization",
        "accessToken",
        "db_passwd",
        "cookie",
        "secretAccessKey",
    ],
)
def test_a_value_filed_under_a_secret_name_is_masked(name: str) -> None:
    assert without_secrets({"deep": [{name: "hunter2"}]}) == {"deep": [{name: "***"}]}


@pytest.mark.parametrize("name", ["input_tokens", "token_file", "service", "secretary", "commit", "key"])
def test_a_value_filed_under_a_plain_name_is_kept(name: str) -> None:
    assert without_secrets({name: "kept"}) == {name: "kept"}


# Secrets by their shape; the made-up ones are put together so that no scanner takes them for real

LETTERS = "abcdEFGH1234ijklMNOP5678qrstUVWX9012"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("called with Bearer abcdefgh12345", "called with Bearer ***"),
        ("Authorization: Basic YWxhZGRpbg==", "Authorization: Basic ***"),
        ("postgresql://sre:hunter2@db/aitia", "postgresql://sre:***@db/aitia"),
        ("amqps://u:p%40ss@mq.example.com:5671", "amqps://u:***@mq.example.com:5671"),
        ("http://gateway:8080/cart@2", "http://gateway:8080/cart@2"),
        ("PGPASSWORD=hunter22 psql", "PGPASSWORD=*** psql"),
        ('{"password": "hunter22", "user": "a"}', '{"password": "***", "user": "a"}'),
        ("deploy --token hunter22 now", "deploy --token *** now"),
        ("aws_secret_access_key = " + LETTERS, "aws_secret_access_key = ***"),
        ("used 1200 input tokens: fine", "used 1200 input tokens: fine"),
    ],
)
def test_a_secret_in_a_text_is_masked_and_what_tells_of_it_stays(text: str, masked: str) -> None:
    assert without_secrets([text]) == [masked]


TOKENS = [
    "xoxb-123456-" + LETTERS[:6],
    "ghp_" + LETTERS,
    "github_pat_" + LETTERS,
    "glpat-" + LETTERS[:20],
    "AKIA" + "ABCDEFGH234567AB",
    "AIza" + LETTERS[:35],
    "sk-" + LETTERS,
    "sk-ant-api03-" + LETTERS,
    "sk_live_" + LETTERS[:24],
    "SG." + LETTERS[:22] + "." + LETTERS,
    "npm_" + LETTERS,
    "hf_" + LETTERS[:34],
    "dapi" + "0123456789abcdef" * 2,
    "glsa_" + LETTERS[:32],
    "hvs." + LETTERS,
    "123456789:AA" + LETTERS[:33],
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0." + LETTERS,
    "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n" + LETTERS + "\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n" + LETTERS,
    "https://hooks.slack.com/services/T000/B000/" + LETTERS[:24],
]


@pytest.mark.parametrize("secret", TOKENS)
@given(before=st.text(st.characters(exclude_categories=["L", "N", "Cs"])), after=st.text("\n \t,;.)"))
def test_a_token_of_a_known_vendor_never_survives(secret: str, before: str, after: str) -> None:
    assert secret not in without_secrets(before + secret + after)


# Personal data


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail from alice.b+x@mail.example.com today", "mail from [mail] today"),
        ("GET /people/alice@example.org/basket", "GET /people/[mail]/basket"),
        ("call +49 30 1234567 now", "call [phone] now"),
        ("+14155550123", "[phone]"),
        ("030 1234567", "[phone]"),
        ("(212) 555-0123", "[phone]"),
        ("212-555-0123", "[phone]"),
        ("paid with 4111 1111 1111 1111 in May", "paid with [card] in May"),
        ("5555555555554444", "[card]"),
        ("3782 822463 10005", "[card]"),
        ("DE89 3704 0044 0532 0130 00 and more", "[account] and more"),
        ("GB82WEST12345698765432", "[account]"),
    ],
)
def test_personal_data_is_named_by_its_kind_alone(text: str, masked: str) -> None:
    assert without_secrets(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T14:38:36.123456+00:00",
        "05-11-2026",
        "10.0.0.12:8080",
        "0.930 (cause) x 0.880 is 0.818, below the 0.99 needed",
        "0.4111111111111111",
        "1764000000000000000",
        "4111 1111 1111 1112",
        "DE89370400440532013001",
        "@@ -1,4 +1,4 @@",
        "git@github.com:shop/config.git",
        "ssh://deploy@host.example.com/shop.git",
        "registry.example.com/cart@sha256:" + "0123456789abcdef" * 4,
        "inc-4bf92f35-12/p1/restart/undo",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ],
)
def test_what_only_looks_like_personal_data_is_kept(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize("name", ["trace_id", "span_id", "spanId"])
def test_an_id_that_passes_for_a_card_is_kept_under_its_name(name: str) -> None:
    assert without_secrets({name: "4111111111111111"}) == {name: "4111111111111111"}


@given(
    st.binary(min_size=32, max_size=32)
    | st.binary(min_size=20, max_size=20)
    | st.binary(min_size=16, max_size=16)
)
def test_every_digest_commit_and_trace_id_survives(raw: bytes) -> None:
    assert without_secrets(f"commit {raw.hex()}, see") == f"commit {raw.hex()}, see"


@given(st.uuids())
def test_every_uuid_survives(uuid: UUID) -> None:
    assert without_secrets([str(uuid)]) == [str(uuid)]


@given(st.text(min_size=7, max_size=12, alphabet="0123456789abcdef"))
def test_every_short_commit_survives(commit: str) -> None:
    assert without_secrets(f"revert {commit}") == f"revert {commit}"


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none())
def test_a_number_is_never_touched(value: object) -> None:
    assert without_secrets({"value": value}) == {"value": value}


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
)
def test_masking_what_was_masked_changes_nothing(value: object) -> None:
    assert without_secrets(without_secrets(value)) == without_secrets(value)


# In the log


def test_a_secret_in_a_summary_never_reaches_the_chain() -> None:
    row = MemoryAuditLog().append(AuditEntry(actor="a", event="e", summary="got Bearer abcdefgh12345"))
    assert "abcdefgh12345" not in line_of(row).decode()


def test_who_approved_stays_in_the_log_by_address() -> None:
    facts = {"by": ["alice@example.com"]}
    entry = AuditEntry(actor="a", event="e", summary="approved by alice@example.com", facts=facts)
    row = MemoryAuditLog().append(entry)
    assert (row.entry.summary, row.entry.facts) == (entry.summary, facts)


def test_somebody_else_s_address_does_not_stay() -> None:
    facts = {"by": ["alice@example.com"], "note": "asked bob@example.com"}
    row = MemoryAuditLog().append(AuditEntry(actor="a", event="e", summary="s", facts=facts))
    assert row.entry.facts["note"] == "asked [mail]"


def test_a_masked_row_verifies_like_any_other() -> None:
    log = MemoryAuditLog()
    log.append(AuditEntry(actor="a", event="e", summary="4111 1111 1111 1111", facts={"token": "x"}))
    assert verify_rows(log.rows()).count == 1

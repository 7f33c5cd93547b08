"""The shapes by which secrets and personal data are known in a text.

Secrets: what vendors say that their tokens begin with (they chose prefixes so that scanners can find them),
bearer headers, JSON Web Tokens (RFC 7519), PEM private keys (RFC 7468), passwords in URLs (RFC 3986, 3.2.1),
and whatever a text itself calls a password. Personal data: mail addresses, telephone numbers, payment cards
(ISO/IEC 7812: known first digits, and Luhn's check digit) and bank accounts (ISO 13616: a country's length,
and the remainder of 97).

What must not be taken for either are the numbers that an audit is made of: digests, trace and span ids,
commits, UUIDs, times and measurements. So a number counts as personal only where it stands alone and passes
the check digits of its kind.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

MASK = "***"

_TOKENS = (
    r"gh[pousr]_\w{16,}",  # GitHub
    r"github_pat_\w{16,}",
    r"gl(?:pat|dt|rt|ptt|cbt|soat|agent|oas|ft|imt)-[\w-]{16,}",  # GitLab
    r"xox[a-z]-[\w-]{8,}",  # Slack
    r"xapp-[\w-]{8,}",
    r"https://hooks\.slack\.com/(?:services|workflows)/[\w/-]+",
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",  # AWS access key ids
    r"AIza[\w-]{35}",  # Google
    r"ya29\.[\w-]{16,}",
    r"GOCSPX-[\w-]{20,}",
    r"sk-[\w-]{8,}",  # OpenAI, Anthropic and those who followed them
    r"(?:sk|rk|pk)_(?:live|test)_\w{8,}",  # Stripe
    r"whsec_\w{16,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",  # SendGrid
    r"SK[0-9a-f]{32}",  # Twilio
    r"npm_\w{30,}",
    r"pypi-[\w-]{32,}",
    r"hf_[A-Za-z0-9]{20,}",  # Hugging Face
    r"do[opr]_v1_[0-9a-f]{32,}",  # DigitalOcean
    r"dapi[0-9a-f]{32}",  # Databricks
    r"gl(?:sa|c)_\w{20,}",  # Grafana
    r"hv[sbr]\.[\w-]{20,}",  # Vault
    r"sntry[su]_[\w+/=-]{16,}",  # Sentry
    r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{16,}",  # Shopify
    r"lin_api_\w{16,}",  # Linear
    r"ntn_\w{16,}",  # Notion
    r"PMAK-[\w-]{16,}",  # Postman
    r"\d{8,10}:AA[\w-]{30,}",  # Telegram
    r"AGE-SECRET-KEY-1[A-Z0-9]{16,}",
    r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*){1,3}",  # JSON Web Tokens, signed or encrypted
)
_CALLED = (
    r"password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key"
)
_SECRETS = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)"
    r"|(?P<header>(?i:\bauthorization:\s*\w+\s+|\b(?:proxy-)?bearer\s+))[\w.~+/=-]{8,}"
    r"|(?P<user>://[^\s:/@]*:)[^\s/@]+(?=@)"
    rf"|(?P<named>(?i:(?:{_CALLED})[\"']?\s*[=:]\s*[\"']?))[^\s\"'*,;&]{{4,}}"
    rf"|(?P<option>(?i:(?<!\w)--(?:{_CALLED})\s+))[^\s*-]\S{{3,}}"
    rf"|(?<![A-Za-z0-9])(?:{'|'.join(_TOKENS)})",
    re.DOTALL,
)

_MAIL = re.compile(
    r"(?<![\w.+@%-])(?<!//)[\w.+%-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![\w-])"
)
_NOBODY = {"git", "noreply", "no-reply", "nobody"}
_CARD = re.compile(
    r"(?<![\w.+-])(?:\d{4}(?P<gap>[ -])\d{4}(?P=gap)\d{4}(?P=gap)\d{4}|\d{4}[ -]\d{6}[ -]\d{5}|\d{13,19})"
    r"(?![\w-]|\.\d)"
)
_PHONE = re.compile(
    r"(?<![\w+.-])\+[1-9]\d{0,2}(?:[ ()/-]{0,2}\d){7,12}(?![\w-])"  # +49 30 1234567
    r"|(?<![\w.+:/-])\(?0\d{1,4}\)?[ /-]\d{3,}(?:[ -]?\d{2,})*(?![\w:/-]|\.\d)"  # 030 1234567
    r"|(?<![\w.+-])(?:\(\d{3}\) ?|\d{3}[-.])\d{3}[-.]\d{4}(?![\w-]|\.\d)"  # (212) 555-0123
)
_FEWEST_DIGITS = 8

_FIRST_DIGITS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|3(?:0[0-5]|[68]\d)\d{11}"  # Diners Club
    r"|62\d{14,17}"  # UnionPay
)
_ACCOUNT = re.compile(
    "|".join(
        rf"(?<![\w-])(?:{'|'.join(countries.split())})\d{{2}}(?: ?[A-Z0-9]){{{length - 4}}}(?![\w-])"
        for length, countries in {
            15: "NO",
            16: "BE",
            18: "DK FI FO GL NL",
            19: "MK SI",
            20: "AT BA EE KZ LT LU XK",
            21: "CH HR LI LV",
            22: "BG BH CR DE GB GE IE ME RS VA",
            23: "AE GI IL IQ OM TL",
            24: "AD CZ ES MD PK RO SA SE SK TN VG",
            25: "LY PT ST",
            26: "IS TR",
            27: "BI DJ FR GR IT MC MR SM",
            28: "AL AZ BY CY DO GT HU LB NI PL SV",
            29: "BR EG PS QA UA",
            30: "JO KW MU",
            31: "MT SC",
            32: "LC",
            33: "RU",
        }.items()
    )
)


def mask_secrets(text: str) -> str:
    """Return a text with every secret in it as ``***``; what tells of its kind is kept."""
    return _SECRETS.sub(_secret, text)


def mask_personal(text: str, people: AbstractSet[str] = frozenset()) -> str:
    """Return a text with its personal data named by kind; the addresses of these ``people`` stay."""
    text = _MAIL.sub(lambda found: _mail(found[0], people), text)
    text = _ACCOUNT.sub(lambda found: "[account]" if _is_account(found[0]) else found[0], text)
    text = _CARD.sub(lambda found: "[card]" if _is_card(found[0]) else found[0], text)
    return _PHONE.sub(lambda found: "[phone]" if len(_digits(found[0])) >= _FEWEST_DIGITS else found[0], text)


def _secret(found: re.Match[str]) -> str:
    kept = (found[name] for name in ("header", "user", "named", "option"))
    return next((before for before in kept if before), "") + MASK


def _mail(address: str, people: AbstractSet[str]) -> str:
    stays = address in people or address.partition("@")[0].lower() in _NOBODY
    return address if stays else "[mail]"


def _is_card(text: str) -> bool:
    digits = _digits(text)
    return _FIRST_DIGITS.fullmatch(digits) is not None and _luhn(digits) == 0


def _luhn(digits: str) -> int:
    """Luhn's sum modulo ten (US patent 2,950,048): every second digit from the right counts double."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10


def _is_account(text: str) -> bool:
    plain = text.replace(" ", "")
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1


def _digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))

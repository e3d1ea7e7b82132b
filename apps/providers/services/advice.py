"""What each ending of an examination means for people, and what to do about it."""

from django.utils.translation import gettext as _

from apps.providers.domain.examination import Ending, Step


def step_words(step: Step) -> str:
    """Return what was tried, for people."""
    return {
        Step.PREPARE: _("Opening the key"),
        Step.LIST: _("Asking for the list of models"),
        Step.ASK: _("Asking the model a short question"),
    }[step]


def advice_for(ending: Ending) -> tuple[str, str]:
    """Return what happened and what to do, one sentence each."""
    return _connecting().get(ending) or _answering().get(ending) or _rest()[ending]


def _connecting() -> dict[Ending, tuple[str, str]]:
    return {
        Ending.ADDRESS_REFUSED: (
            _("The address leads somewhere that may not be contacted."),
            _("Use a public https:// address; private ones are set up by operators."),
        ),
        Ending.NAME_UNKNOWN: (
            _("The name in the address is unknown (DNS)."),
            _("Check the address for a typing mistake."),
        ),
        Ending.NO_CONNECTION: (
            _("Nobody accepts connections at this address."),
            _("Check address and port, and that the server runs."),
        ),
        Ending.CONNECT_TIMEOUT: (
            _("The server did not accept the connection in time."),
            _("Check address and port; a firewall may be in the way."),
        ),
        Ending.TLS: (
            _("The server's certificate was not accepted, or it does not speak TLS (https)."),
            _("Check that the address begins rightly and that the certificate is valid for it."),
        ),
        Ending.REDIRECT: (
            _("The server sends us on to another address; redirects are never followed."),
            _("Set the final address, often with https:// and /v1."),
        ),
    }


def _answering() -> dict[Ending, tuple[str, str]]:
    return {
        Ending.KEY_REFUSED: (
            _("The key was refused (401)."),
            _("Set a valid key of this provider; it may have been revoked."),
        ),
        Ending.NO_CREDIT: (
            _("The account behind the key has no credit."),
            _("Top it up, or check its limits, at the provider."),
        ),
        Ending.FORBIDDEN: (
            _("The key is known but may not do this (403)."),
            _("Give the key the rights for this model and region at the provider."),
        ),
        Ending.PATH_UNKNOWN: (
            _("There is nothing at this path (404)."),
            _("Check the path of the address; most end in /v1."),
        ),
        Ending.MODEL_UNKNOWN: (
            _("The provider does not know this model."),
            _("Discover its models and choose one of them."),
        ),
        Ending.RATE_LIMITED: (
            _("The provider has had too many requests (429)."),
            _("Address and key are right. Try again later, or raise the limit there."),
        ),
        Ending.SERVER_ERROR: (
            _("The server failed at its own work (5xx)."),
            _("Try again later; the provider's status page may say more."),
        ),
        Ending.ANSWER_TIMEOUT: (
            _("The connection stands, but no answer came in time."),
            _("Try again; a server of your own may still be loading the model."),
        ),
        Ending.ANSWER_CUT: (
            _("The answer broke off before its end."),
            _("Try again; if it stays so, the server does not speak OpenAI's streaming format."),
        ),
        Ending.ANSWER_STRANGE: (
            _("The answer is not what OpenAI's API would send."),
            _("Check the path of the address; a web page may be answering."),
        ),
        Ending.ANSWER_TOO_LARGE: (
            _("The answer was absurdly large and was not read."),
            _("Check the address: this is hardly an API of models."),
        ),
        Ending.REQUEST_REFUSED: (
            _("The provider refuses the request."),
            _("Try another model: this one may not be for chats."),
        ),
    }


def _rest() -> dict[Ending, tuple[str, str]]:
    return {
        Ending.OK: (_("It works."), ""),
        Ending.KEY_UNREADABLE: (
            _("The kept key does not open any more."),
            _("Set the key anew."),
        ),
        Ending.ADAPTER_FAILED: (
            _("The adapter that speaks to this provider failed."),
            _("Tell whoever operates this service; the log has the reason."),
        ),
    }

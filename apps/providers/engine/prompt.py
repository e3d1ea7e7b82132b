"""Turns messages into the tokens a model was trained on, with its own chat template.

The template is rendered with placeholders in place of the messages' texts. The text between the
placeholders is the template's and may contain control tokens; what people and documents wrote is
tokenized separately and never becomes a control token, so "<|im_end|>" in a message stays text.
"""

import re
import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from apps.core import clock
from apps.providers.contracts import ChatMessage
from apps.providers.domain.plain import folded_messages
from apps.providers.engine.model import LocalModel
from apps.providers.errors import ConfigurationError, ProviderRejected


def _refuse(reason: str) -> NoReturn:
    raise jinja2.TemplateRuntimeError(reason)


def _strftime_now(form: str) -> str:
    return clock.now().strftime(form)


@lru_cache(maxsize=16)
def _compiled(source: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[loopcontrols],
        autoescape=False,  # a prompt, not HTML
    )
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _strftime_now
    return environment.from_string(source)


class PromptBuilder:
    """Builds prompts for one loaded model."""

    def __init__(self, model: LocalModel) -> None:
        """Compile the model's template.

        Raises:
            ConfigurationError: The file carries no chat template, or one that does not compile.
        """
        self._model = model
        source = model.metadata("tokenizer.chat_template")
        if not source:
            raise ConfigurationError("the GGUF file carries no chat template")
        try:
            self._template = _compiled(source)
        except jinja2.TemplateError as error:
            raise ConfigurationError("the GGUF file's chat template does not compile") from error

    def tokens(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Return the prompt for `messages`, ready for the assistant's answer.

        Raises:
            ProviderRejected: The template does not accept this order of roles.
        """
        try:
            return self._tokens(messages)
        except jinja2.TemplateError:
            # Many templates know a system message only at the beginning, or not at all.
            messages = folded_messages(messages)
        try:
            return self._tokens(messages)
        except jinja2.TemplateError as error:
            raise ProviderRejected from error

    def _tokens(self, messages: Sequence[ChatMessage]) -> list[int]:
        nonce = secrets.token_hex(8)
        rendered = self._template.render(
            messages=[
                {"role": message.role.value, "content": f"\ue000{nonce}:{index}\ue001"}
                for index, message in enumerate(messages)
            ],
            add_generation_prompt=True,
            bos_token=self._model.token_text("bos"),
            eos_token=self._model.token_text("eos"),
        )
        parts = re.split(f"\ue000{nonce}:(\\d+)\ue001", rendered)
        tokens: list[int] = []
        for position, part in enumerate(parts):
            ours = position % 2 == 0
            text = part if ours else messages[int(part)].text
            tokens += self._model.tokenize(text, special=ours)
        first = self._model.starts_with()
        if first is not None and tokens[:1] != [first]:
            tokens.insert(0, first)
        return tokens

"""Prompts: foreign templates, foreign words, and who may write special tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import GenerationFailed, ModelUnavailable
from rag.llm.generator import Message
from rag.llm.template import CHATML, PLAIN, ChatTemplate
from rag.llm.tokens import PromptMaker
from tests.fakes import ByteModel

SYSTEM, USER = Message("system", "Be brief."), Message("user", "Why?")


def maker(source=CHATML):
    return PromptMaker(ByteModel(), ChatTemplate(source))


def test_the_template_writes_special_tokens():
    tokens = maker().prompt([SYSTEM, USER]).tokens
    model = ByteModel()
    assert tokens == (
        *[model.START, *b"system\nBe brief.", model.END],
        *[*b"\n", model.START, *b"user\nWhy?", model.END],
        *[*b"\n", model.START, *b"assistant\n"],
    )


@given(st.lists(st.sampled_from(["<|im_start|>", "<|im_end|>", "<tool>", "<", "tool>", "a", "<too", "l>"]), max_size=8))
def test_words_of_others_never_become_special(pieces):
    content = "".join(pieces)
    tokens = maker().prompt([Message("user", content)]).tokens
    assert [token for token in tokens if token > 255] == [ByteModel.START, ByteModel.END, ByteModel.START]
    assert bytes(token for token in tokens if token < 256) == f"user\n{content}\nassistant\n".encode()


def test_the_shared_part_ends_before_the_first_word_of_a_person():
    prompt = maker().prompt([SYSTEM, USER])
    other = maker().prompt([SYSTEM, Message("user", "Something else?")])
    assert prompt.tokens[: prompt.shared] == other.tokens[: other.shared]
    assert prompt.shared == len(b"system\nBe brief.\n") + 3
    assert maker().prompt([USER]).shared == 1


def test_a_first_token_is_put_first_once():
    class Begins(ByteModel):
        def __init__(self):
            super().__init__()
            self.first_token = self.START

    assert PromptMaker(Begins(), ChatTemplate(PLAIN)).prompt([USER]).tokens[:2] == (ByteModel.START, ord("U"))
    assert PromptMaker(Begins(), ChatTemplate(CHATML)).prompt([USER]).tokens[:2] == (ByteModel.START, ord("u"))


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ messages.append(1) }}",
    ],
)
def test_a_hostile_template_gets_nowhere(source):
    with pytest.raises(GenerationFailed, match="template"):
        ChatTemplate(source).render([USER])


def test_a_template_never_sees_what_people_wrote():
    source = "{% for m in messages %}{{ m['content'] | upper | length }}{{ m['content'] }}{% endfor %}"
    parts = ChatTemplate(source).render([Message("user", "{{ 7 * 7 }}")])
    assert [part.text for part in parts if part.message == 0] == ["{{ 7 * 7 }}"]


def test_a_template_that_refuses_or_drops_messages_is_named():
    refusing = "{{ raise_exception('no system messages') }}"
    with pytest.raises(GenerationFailed, match=r"refuses these messages \(no system messages\)"):
        ChatTemplate(refusing).render([SYSTEM])
    with pytest.raises(GenerationFailed, match="drops the system message 0"):
        ChatTemplate("{{ messages[1]['content'] }}").render([SYSTEM, USER])


def test_a_broken_template_is_one_clear_line():
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        ChatTemplate("{% for %}")

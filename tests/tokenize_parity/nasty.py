# SPDX-License-Identifier: Apache-2.0
"""Strings that break tokenizers: the committed corpus, and an alphabet to make more of them."""

import random

# (name, bytes, times repeated, tokens_max)
CORPUS = []


def add(name, text, repeat=1, tokens_max=512):
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    CORPUS.append((name, data, repeat, tokens_max))


add("empty", "")
add("one_space", " ")
add("one_ideograph", "潮")
add("sentence", "今天天气不错，我们去看海吧！")
add("ideographs_with_spaces", "今 天  天\u3000气")
add("latin_between_ideographs", "我用iPhone看NBA比赛")
add("numbers", "2024年10月1日12:30，涨了3.5%，共100元")
add("url", "https://example.com/a_b-c?d=1&e=%E4%BD%A0#f")
add("mention_chain", "//@小明: 转发微博 //@小红_2:[心][心] @Someone-else :好")
add("hashtag", "#观潮# ##double## #")
add("double_hash_word", "##ing play##ing ## #")
add("bracket_emoticons", "[心][笑cry][doge][允悲]")
add("upper_case", "HELLO World ÀÉÎÕÜ ÑÇ ŠŽ ŁØ")
add("dotted_capital_i", "İSTANBUL ıi Iİ")
add("sharp_s", "STRASSE straße ẞ")
add("greek_final_sigma", "ΟΔΟΣ ὈΔΥΣΣΕΎΣ σς")
add("greek_extended", "ᾼ ᾳ ῌ ΐ ᾧ ᾯ ͺ")
add("greek_question_and_ano_teleia", "a\u037eb\u0387c\u1fefd")
add("cyrillic", "ЁЖИК ёжик Й й Ї")
add("cherokee_and_georgian_case", "Ꭰꭰ ᏸ Ა ა")
add("deseret_case", "𐐀𐐨")
add("turkic_and_titlecase_digraphs", "ǅ Ǆ ǆ Ǳ")
add("units_with_singletons", "Ω K Å ℃ ℉ №")
add("vietnamese", "Tiếng Việt rất ổn định")
add("combining_after_latin", "e\u0301 a\u030a\u0301 n\u0303 o\u0308\u0304")
add("combining_alone", "\u0301")
add("combining_after_ideograph", "潮\u0301\u0308汐\u20e3")
add("combining_after_space", "a \u0301b")
add("combining_after_punctuation", "!\u0301?\u0334")
add("keycaps", "1\ufe0f\u20e3#\ufe0f\u20e3*\u20e3")
add("enclosing_circle", "a\u20dd字\u20dd")
add("zalgo", "Z\u0351\u036b\u0343a\u0341\u0313l\u0337\u0334g\u0321o\u0489\u0327")
add("grapheme_joiner", "a\u034f\u0301b")
add("musical_reordered", "\U0001d165\U0001d16d\U0001d165 \U0001d16d\U0001d165a\U0001d165")
add("musical_precomposed", "\U0001d15e\U0001d160\U0001d16d\U0001d1bc\U0001d165")
add("musical_barrier", "a\U0001d16d\u034f\U0001d165 a\U0001d16d\u0301\U0001d165")
add("musical_across_format_character", "a\U0001d16d\u200d\U0001d165")
add("musical_across_special", "a\U0001d16d[SEP]\U0001d165")
add("musical_many", "\U0001d16d\U0001d165", repeat=60)
add("hangul_tone_marks", "가\u302e나\u302f\u302e")
add("balinese_and_sundanese", "\u1b44\u1baa\u1bf2a\u1bf3")
add("glagolitic_combining", "ⰰ\U0001e000ⰱ\U0001e02a\U0001e000")
add("adlam_case_and_marks", "\U0001e900\U0001e922\U0001e944\U0001e94a")
add("hangul", "안녕하세요 대한민국 값 힣 가")
add("hangul_jamo", "\u1112\u1161\u11ab ㅎㅏㄴ ㅋㅋㅋ")
add("hangul_with_ideographs", "한漢자字")
add("hiragana_with_marks", "がぎぐ ぱぴ ゔ か\u3099 は\u309a")
add("katakana", "ガンダム ヴァ ヷ ｶﾞﾝﾀﾞﾑ ー・")
add("kana_iteration", "いすゞ 々 〻 ゝ")
add("bopomofo", "ㄅㄆㄇˊˇˋ")
add("thai", "สวัสดีครับ ไทย")
add("devanagari", "नमस्ते क़ ऩ हिन्दी")
add("tamil_and_bengali", "தமிழ் বাংলা ড়")
add("arabic", "السلام عليكم آأإ ٱ ـ")
add("arabic_diacritics", "مُحَمَّد")
add("hebrew", "שָׁלוֹם שׁ יִ")
add("tibetan_mongolian", "བོད་ཡིག ᠮᠣᠩᠭᠣᠯ\u180e")
add("khmer_burmese", "ភាសាខ្មែរ မြန်မာ")
add("fullwidth_latin", "ＡＢＣａｂｃ１２３！？，．（）")
add("fullwidth_mixed", "ＮＢＡ总决赛ＯＫ OK")
add("halfwidth_punctuation", "｡｢｣､･")
add("chinese_punctuation", "，。！？；：、“”‘’（）《》〈〉【】〔〕「」『』—…·～￥")
add("traditional", "臺灣繁體中文測試，這間餐廳")
add("rare_ideographs", "㐀㒼䶵鿿龥鿪")
add("extension_b_to_f", "\U00020000\U0002a6d6\U0002a700\U0002b740\U0002b820\U0002b91f\U0002b920\U0002ceb0")
add("extension_g_and_h", "\U00030000\U00031350")
add("compatibility_ideographs", "\uf900\ufa0e\ufa11\ufad9\U0002f800\U0002fa1d\ufb00")
add("radicals", "⺀⼀⽔㇀")
add("ideographic_zero", "〇")
add("ideographic_zero_in_year", "二〇二四年〇月 〇〇 0〇o")
add("suzhou_numerals", "〡〢〣 〸〹〺")
add("ideographic_marks", "〆〼〃〄〒〓〜〰〾")
add("circled_and_parenthesised", "①②③ ㈠㈱ ㊙ Ⅷ ⅷ ⒈")
add("superscripts_and_fractions", "x² y³ ½ ⁿ ₂")
add("ligatures", "ﬁ ﬂ ﬀ æ œ ĳ")
add("mathematical_letters", "𝐀𝒷𝕮𝟙 𝛀")
add("emoji", "😀😂🔥👍❤️")
add("emoji_glued_to_words", "nice👍好👍好")
add("emoji_skin_tones", "👍🏻👍🏿")
add("emoji_zwj_family", "👨\u200d👩\u200d👧\u200d👦")
add("emoji_flags", "🇨🇳🇺🇸 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f")
add("emoji_variation_selectors", "☺\ufe0e☺\ufe0f")
add("emoji_unassigned", "\U0001faff\U0001fbff\U0001f9ff")
add("zero_widths", "a\u200bb\u200cc\u200dd\u2060e\ufefff")
add("byte_order_mark", "\ufeff开头")
add("soft_hyphen", "co\u00adoperate")
add("bidi_controls", "\u202aabc\u202e def\u2066x\u2069")
add("variation_supplement", "葛\U000e0100飾")
add("no_break_spaces", "a\u00a0b\u202fc\u2007d")
add("all_spaces", "a\u1680b\u2000c\u2003d\u2009e\u200af\u205fg\u3000h")
add("line_and_paragraph_separators", "a\u2028b\u2029c")
add("tabs_and_newlines", "a\tb\nc\r\nd\re")
add("vertical_tab_form_feed_next_line", "a\x0bb\x0cc\x85d\x1ce\x1ff")
add("controls", "a\x00b\x01c\x07d\x1be\x7ff\x9fg")
add("only_controls", "\x00\x01\x02\u200b\ufeff")
add("replacement_character", "a\ufffdb \ufffd c")
add("noncharacters", "a\ufffeb\uffffc\ufdd0d\U0010ffff")
add("private_use", "a\ue000b\uf8ffc\U000f0000d\U00100000")
add("unassigned", "a\u0378b\u05ffc\U0001ffffd")
add("tags", "a\U000e0001b\U000e0041c")
add("special_sep", "[SEP]")
add("specials_in_text", "前[SEP]中[CLS]后[MASK]x[PAD]y[UNK]z")
add("specials_glued", "[SEP][SEP][CLS]a[MASK]b")
add("special_lower_case", "[sep] [Sep] [cls]")
add("special_spaced", "[ SEP] [SEP ] [ SEP ]")
add("special_broken", "[SEP [SE P] SEP] [[SEP]] [[[")
add("special_with_control", "[S\u200bEP][SEP\u0301]")
add("special_fullwidth", "［SEP］[ＳＥＰ]")
add("special_with_invalid", b"[S\xffEP] \xff[SEP]\xff")
add("special_unused", "[unused1] [unused99]")
add("special_at_the_limit", "一二三四[SEP]五", tokens_max=7)
add("word_of_99", "a" * 99)
add("word_of_100", "a" * 100)
add("word_of_101", "a" * 101)
add("word_of_100_and_mark", "a" * 100 + "\u0301")
add("word_of_50_hangul", "가" * 50)
add("word_of_51_hangul", "가" * 51)
add("word_of_33_closed_hangul", "각" * 33 + "a")
add("word_of_34_closed_hangul", "각" * 34)
add("word_of_98_and_closed_hangul", "a" * 98 + "각")
add("word_of_100_emoji", "😀" * 100)
add("word_of_101_emoji", "😀" * 101)
add("long_word_then_text", "x" * 300 + " 好 y")
add("long_number", "1234567890" * 12)
add("long_word_split_by_zero_width", ("a" * 60 + "\u200b") * 2)
add("long_word_split_by_ideograph", "a" * 99 + "好" + "a" * 101 + "好")
add("word_with_unknown_end", "hello𐀀 world")
add("word_with_unknown_start", "𐀀hello")
add("pieces", "unaffable embeddings tokenization internationalization")
add("pieces_then_unknown", "playinğ playingʘ ʘ")
add("apostrophes", "don't it’s ‘quoted’ l'été")
add("hyphens_and_dashes", "a-b a‐b a–b a—b a−b a﹣b a－b")
add("ascii_punctuation", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
add("symbols", "$¥€£ ±×÷ ©®™ °′″ §¶ ←→ ★☆ ■□ ♪")
add("latin1_punctuation", "¡¢£¤¥¦§¨©ª«¬®¯°±´µ¶·¸º»¿")
add("decomposes_to_punctuation", "a\u2329b\u232ac\u1fefd\u0340e\u0374f")
add("truncated_to_2", "今天很好", tokens_max=2)
add("truncated_to_3", "今天很好", tokens_max=3)
add("truncated_within_a_word", "unaffable unaffable unaffable", tokens_max=5)
add("truncated_before_unknown_end", "tokenizationʘ abc", tokens_max=3)
add("exactly_full", "一二三四五六", tokens_max=8)
add("one_too_many", "一二三四五六七", tokens_max=8)
add("spaces_after_full", "一二三四五六   ", tokens_max=8)
add("ideographs_512", "潮", repeat=510)
add("ideographs_513", "潮", repeat=511)
add("invalid_lone_continuation", b"a\x80b\xbfc")
add("invalid_lead_bytes", b"a\xc0b\xc1c\xf5d\xf8e\xffg")
add("invalid_overlong", b"a\xc0\xafb\xe0\x80\xafc\xf0\x80\x80\xafd\xc1\xbf")
add("invalid_surrogates", b"a\xed\xa0\x80b\xed\xb0\x80c\xed\xa0\xbd\xed\xb8\x80d")
add("invalid_past_the_end", b"a\xf4\x90\x80\x80b\xf7\xbf\xbf\xbfc")
add("invalid_truncated_2", b"ab\xc3")
add("invalid_truncated_3", b"ab\xe6\xbd")
add("invalid_truncated_4", b"ab\xf0\x9f\x98")
add("invalid_truncated_then_text", b"\xe6\xbdA\xe6B\xf0\x9f\x98C\xf0\x9fD\xf0E\xc3F")
add("invalid_truncated_then_ideograph", b"\xe6\xbd\xe6\xbd\xae\xf0\x9f\xe6\xbd\xae")
add("invalid_lead_after_lead", b"\xe6\xe6\xbd\xae\xf0\xf0\x9f\x98\x80")
add("invalid_within_word", b"hel\xfflo wor\xc3ld")
add("invalid_utf16", "潮水abc".encode("utf-16-le"))
add("invalid_gbk", "观潮测试".encode("gbk"))
add("invalid_latin1", "café déjà vu".encode("latin-1"))
add("every_byte", bytes(range(256)))
add("megabyte_of_ideographs", "潮", repeat=349_526)
add("megabyte_of_a", "a", repeat=1_048_576)
add("megabyte_of_spaces", " ", repeat=1_048_576)
add("megabyte_of_dots", "。", repeat=349_526)
add("megabyte_of_marks", "\u0301", repeat=524_288)
add("megabyte_of_combining", "\U0001d165", repeat=262_144)
add("megabyte_of_emoji", "😂", repeat=262_144)
add("megabyte_of_invalid", b"\xe6", repeat=1_048_576)
add("megabyte_of_words", "ab ", repeat=349_526)
add("megabyte_of_brackets", "[", repeat=1_048_576)


def kept_marks():
    """Marks that the reference keeps and reorders (see find_combining of the table generator)."""
    ranges = ((0x8D4, 0x8E1), (0x1B44, 0x1B44), (0x1BAA, 0x1BAA), (0x1BF2, 0x1BF3),
              (0x302E, 0x302F), (0xA953, 0xA953), (0x111C0, 0x111C0), (0x1D165, 0x1D166),
              (0x1D16D, 0x1D172), (0x1E000, 0x1E006), (0x1E944, 0x1E94A))  # fmt: skip
    return "".join(chr(c) for low, high in ranges for c in range(low, high + 1))


class Maker:
    """Makes random strings; the same seed gives the same ones."""

    def __init__(self, seed, vocabulary):
        self._random = random.Random(seed)
        self._tokens = [token.removeprefix("##") for token in vocabulary]
        self._fragments = [data for _, data, repeat, _ in CORPUS if repeat == 1 and data]
        self._makers = (
            (6, self._ideograph),
            (4, self._token),
            (4, self._ascii),
            (3, self._special),
            (3, self._mark),
            (2, self._fragment),
            (2, self._any_code_point),
            (2, self._near_code_point),
            (2, self._space),
            (1, self._bytes),
            (1, self._run),
        )
        self._population = [maker for weight, maker in self._makers for _ in range(weight)]

    def text(self):
        chooser = self._random.random()
        length = self._random.randint(1, 12 if chooser < 0.7 else 60 if chooser < 0.95 else 300)
        # A few kinds a string, so that one kind meets itself often.
        kinds = self._random.sample(self._population, self._random.randint(1, 4))
        data = b"".join(self._random.choice(kinds)() for _ in range(length))
        if self._random.random() < 0.1 and data:  # cut, overwrite or repeat at byte level
            at = self._random.randrange(len(data))
            edit = self._random.randrange(3)
            if edit == 0:
                data = data[at:]
            elif edit == 1:
                data = data[:at] + bytes([self._random.randrange(256)]) + data[at + 1 :]
            else:
                data = data[:at] + data[at : at + 7] * 3 + data[at:]
        return data

    def marks(self):
        """Kept marks among letters and what does or does not stop their reordering."""
        others = ("a", "b", "\u0301", "\u0334", "\u0345", "\u034f", "\u200d", "\ufffd", " ",
                  "。", "\U0001d160", "[SEP]")  # fmt: skip
        kept = self._random.sample(kept_marks(), 4)
        size = self._random.randint(1, 130)
        return "".join(
            self._random.choice(kept if self._random.random() < 0.6 else others)
            for _ in range(size)
        ).encode("utf-8")

    def _char(self, code_point):
        if 0xD800 <= code_point <= 0xDFFF:
            code_point -= 0x800
        return chr(code_point).encode("utf-8")

    def _ideograph(self):
        return self._char(self._random.randint(0x4E00, 0x9FA5))

    def _token(self):
        return self._random.choice(self._tokens).encode("utf-8")

    def _ascii(self):
        return bytes([self._random.choice((self._random.randrange(128), 97, 98, 65, 49))])

    def _special(self):
        return self._random.choice(
            (b"[SEP]", b"[CLS]", b"[PAD]", b"[UNK]", b"[MASK]", b"[", b"[SEP", b"]", b"##", b"[sep]")
        )

    def _mark(self):
        low, high = self._random.choice(
            ((0x300, 0x36F), (0x300, 0x36F), (0x1D165, 0x1D172), (0x1E000, 0x1E02A),
             (0x302A, 0x302F), (0x3099, 0x309A), (0x20D0, 0x20F0), (0x1B34, 0x1B44),
             (0x8D4, 0x8FF), (0x1D15E, 0x1D164), (0x1DC0, 0x1DFF), (0x1BE6, 0x1BF3))
        )  # fmt: skip
        return self._char(self._random.randint(low, high))

    def _fragment(self):
        return self._random.choice(self._fragments)

    def _any_code_point(self):
        return self._char(self._random.randrange(0x110000))

    def _near_code_point(self):
        low, high = self._random.choice(
            ((0x80, 0x24F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0x1000, 0x10FF),
             (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x2BFF),
             (0x3000, 0x33FF), (0xA000, 0xABFF), (0xAC00, 0xD7A3), (0xF900, 0xFFFF),
             (0x10000, 0x11FFF), (0x1D100, 0x1D1FF), (0x1F000, 0x1FAFF), (0x20000, 0x2FA1F),
             (0xE0000, 0xE01EF))
        )  # fmt: skip
        return self._char(self._random.randint(low, high))

    def _space(self):
        return self._random.choice(" \t\n\r\u00a0\u2003\u2028\u3000\u200b\u200d\u00ad\x0b\x85").encode()

    def _bytes(self):
        return bytes(self._random.randrange(128, 256) for _ in range(self._random.randint(1, 4)))

    def _run(self):
        unit = self._random.choice(self._population[:-1])()
        return unit[:8] * self._random.randint(2, 110)

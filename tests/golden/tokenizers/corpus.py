"""The strings that every tokenizer is compared on. Deterministic: the same list on every machine with the same Python (Unicode 14)."""
import random
import sys
import unicodedata

OBJECTS = "cat dog apple car tree house star fish bird pizza banana rocket umbrella guitar clock flower heart boat".split()
COLOURS = "red green blue yellow purple orange white black grey pink brown turquoise".split()
RELATIONS = ["left of", "right of", "above", "below", "next to", "inside", "on top of", "behind"]
STYLES = ["", ", digital art", ", 4k, highly detailed", " in the style of Van Gogh", ", trending on artstation", " -- no text!", " (macro photo, f/1.8)"]

PLAIN = [
    "", " ", "  ", "\n", "\t \n", "\u00a0", "\u3000", "a", "A", ".", "...", "!?!?", "0", "00", "12345", "3.14159", "1,000,000", "1e-5", "\u00b2\u00b3\u00b9", "\u2167 \u2168",
    "½ cup", "①②③", "a  b   c", " leading", "trailing ", "\ttab\tbed", "line\nbreak", "crlf\r\nhere", "cr\ronly", "vt\vff\f", "nbsp\u00a0here", "\u2003em space",
    "zero\u200bwidth", "soft\u00adhyphen", "\ufeffbom", "mid\ufeffbom", "rtl \u202eevil\u202c", "null\x00byte", "bell\x07", "esc\x1b[31mred\x1b[0m", "\x1b[1;32", "\x7fdel",
    "it's", "IT'S", "don't can't won't", "they'll we've I'd you're I'm he'd", "'s't're've'm'll'd", "it\u2019s", "rock 'n' roll", "'\u017f", "O'Neill's", "y'all'd've", "''''s",
    "\u201cquoted\u201d \u2018single\u2019", "\u00abguillemets\u00bb", "snake_case camelCase kebab-case", "a_b__c", "C++ C# .NET", "x=y; z!=w", "a&b", "a&&b||c", "50% off", "$100 €50 £20 ¥10",
    "user@example.com", "https://example.com/a?b=c&d=e#f", "#hashtag @mention", "path/to\\file", "{json: [1,2]}", "<b>bold</b>", "<br/>", "1 < 2 &amp; 3 > 2", "<|startoftext|>", "<|endoftext|>",
    "a <|endoftext|> b", "<|STARTOFTEXT|>", "<start_of_text>", "a <end_of_text>", "!<start_of_text>", "<END_of_text>x", "<bos>", "<eos> <pad><unk>", "x<bos>y", "<mask>", "<0x41>", "<0xFF>",
    "▁", "▁a", "a▁b", "▁▁▁", "Ġhello", "</w>", "a</w>", "ß ẞ", "İstanbul ıIi", "ΣΊΣΥΦΟΣ ΟΔΟΣ σς Σ", "ΑΣ. Σ'Α ΑΣΑ", "ǅ ǆ Ǆ ŉ ĳ Ĳ", "ﬀ ﬁ ﬂ ﬃ ﬄ ﬅ ﬆ", "ＬＯＵＤ　ＮＯＩＳＥＳ", "Ｕﾀｰﾝ ｶﾞ", "￠￡￢￣￤￥￦",
    "café", "cafe\u0301", "e\u0301\u0302\u0303", "\u0301start", "ȩ\u0301 ȩ\u0301", "ǖǘ u\u0308\u0304", "각 가\u11a8 \u1100\u1161\u11a8", "Å Å K Ω", "豈 金", "नमस्ते", "ಕನ್ನಡ", "สวัสดีครับ", "မြန်မာ", "ខ្មែរ", "ไทย ลาว ລາວ",
    "こんにちは世界", "カタカナ ひらがな 漢字", "你好,世界!", "한국어 텍스트", "русский текст", "Ελληνικά", "עברית", "العربية", "مرحبا ١٢٣", "فارسی ۱۲۳", "हिन्दी १२३", "ქართული", "Հայերեն", "አማርኛ", "Tiếng Việt", "Türkçe ğışçö", "čeština řžýáíé",
    "😀", "😀😃😄", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️ ❤", "☃️", "1️⃣2️⃣", "🧑🏿‍🚀 in space", "a😀b", "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f", "𝒜𝓁𝒾𝒸𝑒", "𝟘𝟙𝟚", "𐍈", "𐐀𐐨", "\U0001d173", "\U000f0000 \ue000",
    "Ã©tÃ©", "â€œquoteâ€\x9d", "donâ€™t", "Ã la mode", "sÃ³", "voilÃ le travail", "Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "cafÃ©", "\u0080\u0085\u0099", "caf\ufffd", "\ufffd\ufffd", "\u2028ls\u2029ps", "\x85nel", "\x1c\x1d\x1e\x1f", "a\x1cb",
    "&amp;", "&amp;amp;", "&amp;amp;amp;", "&lt;tag&gt;", "&quot;q&quot;", "&#39;", "&#x27;s", "&#0;", "&#128;", "&#x80;", "&#xD800;", "&#x110000;", "&#99999999999;", "&#1;", "&#xFFFE;", "&#13;", "&nbsp;x&nbsp;", "&eacute; &EACUTE; &Eacute;",
    "&NTILDE;", "&nTILDE;", "BUNDESSTRA&SZLIG;E", "&notin;", "&notit;", "&not", "&not;", "&copy &copyright", "&hellip;", "&Jscr;ohn", "&HilbertSpace;", "&checkmark;", "&fjlig;", "&bogus;", "&", "&;", "&#;", "&#x;", "&#xg;", "& amp;", "&ampamp;", "&gt&lt",
    "R&D", "AT&T", "&#8217;", "it&rsquo;s", "&macr;\\_(ã\x83\x84)_/&macr;", "<p>&eacute;</p>", "&eacute;\n<p>&eacute;</p>\n&eacute;", "&#49;&#50;", "&AMP; &LT;", "&frac12;", "&CounterClockwiseContourIntegral;", "&" + "a" * 40 + ";",
    "a" * 300, "ab" * 200, "word " * 200, "1" * 120, "!" * 120, "é" * 90, "漢" * 90, "😀" * 40, " " * 200, "a " * 100 + "b", "supercalifragilisticexpialidocious", "pneumonoultramicroscopicsilicovolcanoconiosis",
]

HTML = "&amp; &lt; &gt; &quot; &apos; &#39; &#x41; &eacute; &copy; &copy &not &notin; &hellip; &bogus; &EURO; &euro; &#8364; &nbsp; &amp;lt; &ALPHA; &alpha; &#x1F600; &#129; &frac34; &Tab; &NewLine;".split()


def blocks():
    """Assigned characters, grouped so that scripts stay together."""
    groups = {}
    for code in range(sys.maxunicode + 1):
        c = chr(code)
        if unicodedata.category(c) in ("Cn", "Cs", "Co"):
            continue
        groups.setdefault(code // 256, []).append(c)
    return [g for g in groups.values() if len(g) >= 4]


def prompt(r):
    count = r.choice(["a", "one", "two", "three", "4", "five"])
    text = f"{count} {r.choice(COLOURS)} {r.choice(OBJECTS)}"
    if r.random() < 0.5:
        text += f" {r.choice(RELATIONS)} a {r.choice(COLOURS)} {r.choice(OBJECTS)}"
    text += r.choice(STYLES)
    k = r.random()
    return text.title() if k < 0.15 else text.upper() if k < 0.25 else text


def strings():
    r = random.Random(7)
    groups = blocks()
    every = [c for g in groups for c in g]
    ascii_characters = [chr(i) for i in range(128)]
    marks = [c for c in every if unicodedata.category(c).startswith("M")]
    spaces = [c for c in every if c.isspace()] + ["\u200b", "\u180e", "\u2060"]
    emoji = [chr(i) for i in list(range(0x1F600, 0x1F650)) + list(range(0x1F900, 0x1F9FF)) + list(range(0x2600, 0x26FF))]
    out = list(PLAIN)
    out += [prompt(r) for _ in range(500)]
    out += ["".join(r.choices(g, k=r.randint(1, 16))) for g in groups for _ in range(2)]  # scripts
    out += ["".join(r.choices(r.choice(groups), k=r.randint(1, 5)) + [" "] + r.choices(r.choice(groups), k=3)) + r.choice(OBJECTS) for _ in range(400)]
    out += ["".join(r.choices(every, k=r.randint(1, 20))) for _ in range(250)]
    out += ["".join(r.choices(ascii_characters, k=r.randint(1, 40))) for _ in range(300)]
    out += ["".join(w + "".join(r.choices(spaces, k=r.randint(1, 3))) for w in r.choices(OBJECTS, k=r.randint(1, 6))) for _ in range(150)]
    out += ["".join(c + "".join(r.choices(marks, k=r.randint(0, 3))) for c in r.choices("aeiounckzABCΑας한あ", k=r.randint(1, 10))) for _ in range(200)]
    out += ["\u200d".join(r.choices(emoji, k=r.randint(1, 4))) + r.choice(["", "\ufe0f", " ok", "x"]) for _ in range(150)]
    out += ["".join(r.choice(HTML) + r.choice(["", " ", "x", ";", "'s"]) for _ in range(r.randint(1, 5))) for _ in range(250)]
    out += ["".join(r.choice(["'s", "'LL", "'re", "it", "We", "'", "’", "d", "VE", " ", "9", "'t"]) for _ in range(r.randint(1, 8))) for _ in range(150)]
    out += [" ".join(prompt(r) for _ in range(r.randint(3, 12))) for _ in range(60)]  # beyond 77 tokens
    out += ["".join(r.choice(["<bos>", "<|endoftext|>", "<start_of_text>", "<end_of_text>", "[X]", " [Y] ", "word", " ", "two ", "é", "▁"]) for _ in range(r.randint(1, 6))) for _ in range(150)]
    return out

package story

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCleanLeavesOnlyText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\x00b\x07c":                         "abc",
		"\x1b[31mred\x1b[0m":                  "red",
		"\x1b]0;title\x07after":               "after",
		"\x1b]8;;http://x\x1b\\link":          "link",
		"bad\xff\xfeutf":                      "badutf",
		"r\u202Eeverse\u2066d":                "reversed",
		"a\r\nb\rc\u2028d":                    "a\nb\nc\nd",
		"tag\U000E0041hidden":                 "taghidden",
		"é 한국어 日本 👩\u200d👩 \uFFFD":            "é 한국어 日本 👩\u200d👩 \uFFFD",
		strings.Repeat("a", 500) + "b":        strings.Repeat("a", 30) + "b",
		"\u009b2Jx\x7f":                       "x",
		strings.Repeat("한 ", maxAnswer) + "z": ask256(),
	} {
		if got := clean(in); got != want {
			t.Errorf("%.40q: %.60q, want %.60q", in, got, want)
		}
	}
}

// ask256 is what is left of a text of "한 " that is too long: whole characters.
func ask256() string {
	s := strings.Repeat("한 ", maxAnswer/4)
	return s[:maxAnswer]
}

func TestProseHasNoHeadingsAndNoFences(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"## The Door\n\nIt opened.":                  "It opened.",
		"The Door\nIt opened.":                       "It opened.",
		"**The Door**\n\nIt opened.":                 "It opened.",
		"```markdown\nIt opened.\n```\nEnjoy!":       "It opened.",
		"It opened.\n# Part two\nIt closed.":         "It opened.\nPart two\nIt closed.",
		"It opened.\n---\nfoo: bar\n---\nIt closed.": "It opened.\n\nfoo: bar\n\nIt closed.",
		"<think>let me see\nhm</think>It opened.":    "It opened.",
		"<think>for ever":                            "",
		"It   opened.\t Twice.\n\n\n\n\nYes.":        "It opened. Twice.\n\nYes.",
		" \n\t ":                                     "",
		"```":                                        "",
	} {
		if got := prose(in, "The Door"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestWordsOfLanguagesWithAndWithoutSpaces(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{
		"":                        0,
		"Don't stop, she said.":   4,
		"3.14 and A4":             3,
		"그는 문을 열었다.":              3,
		"他打开了门。":                  5,
		"ドアを開けた。":                 5, // one run of katakana, then character by character
		"— … !":                   0,
		"Él abrió la puerta: ¡ya": 5,
	} {
		if got := count(in); got != want {
			t.Errorf("%q has %d words, want %d", in, got, want)
		}
	}
}

func TestShortenCutsAtTheEndOfASentence(t *testing.T) {
	t.Parallel()
	ten := func(end string) string { return "a b c d e f g h i j" + end + " " }
	for _, c := range []struct {
		name, in         string
		low, target, hig int
		want             string
	}{
		{"short enough", "One two three.", 1, 2, 3, "One two three."},
		{"nearest sentence", ten(".") + ten("!") + ten("?") + ten("."), 15, 21, 28, strings.TrimSpace(ten(".") + ten("!"))},
		{"quotation marks belong to it", `"A b c d." ` + "“E f g h!” I j k l m n.", 6, 8, 9, `"A b c d." “E f g h!”`},
		{"Chinese", "他打开了门。她走了进来！你好吗？再见了。", 8, 10, 12, "他打开了门。她走了进来！"},
		{"Japanese", "門が開いた。風が吹いた。雨が降った。", 8, 10, 12, "門が開いた。風が吹いた。"},
		{"Korean", "그는 문을 열었다. 바람이 불었다. 비가 내렸다. 밤이 왔다.", 4, 5, 6, "그는 문을 열었다. 바람이 불었다."},
		{"Hindi", "वह घर गया। वह सो गया। वह उठा।", 5, 6, 7, "वह घर गया। वह सो गया।"},
		{"no capital letters", "a b c. d e f. g h i. j k l.", 5, 6, 7, "a b c. d e f."},
		{"no sentence ends", "a b c d e f g h i j", 3, 4, 5, "a b c d…"},
		{"one long sentence", ten("") + ten("") + ten("."), 8, 10, 12, "a b c d e f g h i j…"},
	} {
		if got := shorten(c.in, c.low, c.target, c.hig); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFinishedDropsTheSentenceThatBreaksOff(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"He ran away fast. She stayed. The rain": "He ran away fast. She stayed.",
		"He ran. And then the whole long night":  "He ran. And then the whole long night",
		"没有人知道他去了哪里。后来":                          "没有人知道他去了哪里。",
		"no end": "no end",
		"":       "",
	} {
		if got := finished(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestUnloopTakesOutWhatIsSaidAgainAndAgain(t *testing.T) {
	t.Parallel()
	loop := "The old man looked at the sea. The sea was grey and cold. "
	for in, want := range map[string]string{
		"It began. " + strings.Repeat(loop, 40):                            "It began. " + strings.TrimSpace(loop),
		"It began. " + strings.Repeat(loop, 3) + "Then it ended.":          "It began. " + loop + "Then it ended.",
		"No! No! No! He ran.":                                              "No! No! No! He ran.",
		loop + loop:                                                        strings.TrimSpace(loop + loop),
		"and " + strings.Repeat("on ", 500):                                "and on",
		"so " + strings.Repeat("round and ", 50) + "stop.":                 "so round and stop.",
		"门开了。" + strings.Repeat("风吹过山谷里的树林。", 20):                          "门开了。风吹过山谷里的树林。",
		"One fish. Two fish. Red fish. Blue fish.":                         "One fish. Two fish. Red fish. Blue fish.",
		strings.Repeat("Again and again the same bell rang at night. ", 9): "Again and again the same bell rang at night.",
	} {
		if got := unloop(in); got != want {
			t.Errorf("%.40q: %.120q, want %q", in, got, want)
		}
	}
}

func TestHeadAndTailKeepToTheirTokens(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("The rain fell on the roof. ", 100) + strings.Repeat("밤이 왔다. ", 100)
	for _, f := range []func(string, int) string{head, tail} {
		for _, n := range []int{1, 10, 100, 400} {
			if got := f(long, n); !utf8.ValidString(got) || len(got) == 0 && n > 1 || len([]rune(got)) > 4*n+4 {
				t.Errorf("%d tokens: %d characters", n, len([]rune(got)))
			}
		}
		if f("short", 100) != "short" {
			t.Error("a short text changed")
		}
	}
	if got := tail(strings.Repeat("One two. ", 50), 20); !strings.HasPrefix(got, "One") {
		t.Errorf("the tail begins in a sentence: %q", got)
	}
}

func FuzzCleanTextStaysText(f *testing.F) {
	f.Add("a\x1b[0m\x00 b. \u202E", 5)
	f.Add("他说：“你好。”", 2)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = min(abs(n)%200+1, 200)
		p := prose(s, "x")
		if !utf8.ValidString(p) || strings.ContainsFunc(p, unprintable) || strings.Contains("\n"+p+"\n", "\n---\n") {
			t.Errorf("%q gives %q", s, p)
		}
		if got := unloop(p); !utf8.ValidString(got) || count(got) > count(p)+1 {
			t.Errorf("unloop of %q gives %q", p, got)
		}
		if got := shorten(p, n/2, n, n+n/10); count(got) > n+n/10+1 {
			t.Errorf("%q has more than %d words", got, n)
		}
		finished(p)
		label(s, 20)
	})
}

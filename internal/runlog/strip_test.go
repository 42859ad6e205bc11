package runlog

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

var stripCases = []struct{ name, in, want string }{
	{"plain", "hello\tworld\n", "hello\tworld\n"},
	{"colour", "\x1b[1;31mred\x1b[0m ok", "red ok"},
	{"private mode", "\x1b[?25lx\x1b[?1049hy", "xy"},
	{"csi with intermediates", "a\x1b[!pb\x1b[0 qc", "abc"},
	{"title, BEL", "a\x1b]0;title\x07b", "ab"},
	{"title, ST", "a\x1b]2;title\x1b\\b", "ab"},
	{"hyperlink", "\x1b]8;;https://e.example\x1b\\text\x1b]8;;\x1b\\", "text"},
	{"clipboard", "\x1b]52;c;ZXZpbA==\x07x", "x"},
	{"DCS", "a\x1bPq#0;2;0;0;0\x1b\\b", "ab"},
	{"APC and PM and SOS", "\x1b_x\x1b\\\x1b^y\x1b\\\x1bXz\x1b\\ok", "ok"},
	{"unended OSC stops at the newline", "\x1b]0;never\nvisible", "\nvisible"},
	{"unended CSI stops at the newline", "\x1b[12\nvisible", "\nvisible"},
	{"C1 CSI", "a\u009b31mb", "ab"},
	{"C1 OSC and ST", "a\u009d0;t\u009cb", "ab"},
	{"other C1", "a\u0085b\u008dc", "abc"},
	{"two character escape", "a\x1bcb\x1b7c\x1b8d\x1b=e", "abcde"},
	{"charset", "a\x1b(0b\x1b)Bc", "abc"},
	{"escape in escape", "a\x1b\x1b[31mb", "ab"},
	{"escape ends a string", "a\x1b]0;x\x1b[31mb", "ab"},
	{"cancelled", "a\x1b[12\x18b", "ab"},
	{"bell, backspace, NUL, DEL", "a\x07\x08\x00\x7fb", "ab"},
	{"CRLF", "a\r\nb\r\n", "a\nb\n"},
	{"progress bar", "10%\r20%\r\n", "10%\n20%\n"},
	{"two carriage returns", "a\r\r\nb", "a\n\nb"},
	{"bidi", "user\u202e\u2066// admin\u2069", "user// admin"},
	{"text of the world", "日本語 ñ 🎉", "日本語 ñ 🎉"},
	{"invalid", "a\xff\xfeb\xc3", "a\ufffd\ufffdb\ufffd"},
	{"raw C1 byte is no control", "a\x9b31mb", "a\ufffd31mb"},
	{"literal brackets", "arr[0] = ]x", "arr[0] = ]x"},
}

func strip(chunks ...string) string {
	var s Stripper
	var out []byte
	for _, c := range chunks {
		out = s.Strip(out, []byte(c))
	}
	return string(s.Flush(out))
}

func TestStrip(t *testing.T) {
	t.Parallel()
	for _, c := range stripCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := strip(c.in); got != c.want {
				t.Errorf("strip(%q) = %q, want %q", c.in, got, c.want)
			}
			if got := strip(strings.Split(c.in, "")...); got != c.want {
				t.Errorf("rune by rune: %q, want %q", got, c.want)
			}
			for i := range len(c.in) {
				if got := strip(c.in[:i], c.in[i:]); got != c.want {
					t.Errorf("cut at %d: %q, want %q", i, got, c.want)
				}
			}
			got, err := io.ReadAll(StripReader(iotest.OneByteReader(strings.NewReader(c.in))))
			if err != nil || string(got) != c.want {
				t.Errorf("reader: %q, %v", got, err)
			}
		})
	}
}

func FuzzStrip(f *testing.F) {
	for i, c := range stripCases {
		f.Add([]byte(c.in), i)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		whole := strip(string(in))
		if len(in) > 0 {
			if cut %= len(in); cut < 0 {
				cut += len(in)
			}
			if got := strip(string(in[:cut]), string(in[cut:])); got != whole {
				t.Fatalf("cut at %d: %q, whole %q", cut, got, whole)
			}
		}
		if !utf8.ValidString(whole) {
			t.Fatalf("not UTF-8: %q", whole)
		}
		for _, r := range whole {
			if r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || reorders(r) {
				t.Fatalf("%U stays in %q", r, whole)
			}
		}
		if again := strip(whole); again != whole {
			t.Fatalf("not stable: %q, then %q", whole, again)
		}
		if bytes.Count(in, []byte("\n")) > strings.Count(whole, "\n") {
			t.Fatalf("a newline of %q is missing in %q", in, whole)
		}
	})
}

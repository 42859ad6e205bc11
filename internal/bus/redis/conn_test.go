package redis

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

func parseAll(text string) (answer, error) {
	return read(bufio.NewReaderSize(strings.NewReader(text), maxLine))
}

func TestRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"+OK\r\n":                              "OK",
		":12\r\n":                              "12",
		"$3\r\na\r\n\r\n":                      "",
		"$5\r\nhello\r\n":                      "hello",
		"$0\r\n\r\n":                           "",
		"$-1\r\n":                              "",
		"*0\r\n":                               "",
		"*-1\r\n":                              "",
		"*2\r\n$1\r\na\r\n:1\r\n":              "a,1",
		"*3\r\n+message\r\n$1\r\nc\r\n$-1\r\n": "message,c,",
	} {
		a, err := parseAll(text)
		if text == "$3\r\na\r\n\r\n" {
			want = "a\r\n"
		}
		if got := a.text + strings.Join(a.list, ","); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	long := strings.Repeat("x", maxBulk+1)
	if a, err := parseAll("*2\r\n$65537\r\n" + long + "\r\n$1\r\na\r\n"); err != nil || strings.Join(a.list, ",") != ",a" {
		t.Errorf("a text that is too long: %v, %v", a, err)
	}
	for _, bad := range []string{
		"", "+", "+OK", "+OK\n", "\r\n", "-ERR no\r\n", ":x\r\n", "$x\r\n", "$-2\r\n", "$3\r\nabcd\r\n", "$9\r\nabc", "*99\r\n", "*x\r\n",
		"*1\r\n*1\r\n+a\r\n", "!\r\n", "$99999999999999999999\r\n", "+" + strings.Repeat("x", 2*maxLine) + "\r\n",
	} {
		if a, err := parseAll(bad); err == nil {
			t.Errorf("%q is read as %v", bad, a)
		}
	}
}

// FuzzRead: whatever a server sends, reading ends, without a panic and without
// keeping more than the bounds allow.
func FuzzRead(f *testing.F) {
	f.Add([]byte("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n"))
	f.Add([]byte("$65537\r\nx"))
	f.Add([]byte("-ERR\r\n*-1\r\n:1\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bufio.NewReaderSize(bytes.NewReader(data), maxLine)
		for {
			a, err := read(in)
			if err != nil {
				return
			}
			size := len(a.text)
			for _, s := range a.list {
				size += len(s)
			}
			if size > maxItems*maxBulk || len(a.list) > maxItems {
				t.Fatalf("%d bytes in %d items are kept", size, len(a.list))
			}
		}
	})
}

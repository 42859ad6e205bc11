package source_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/workflow/source"
)

func TestRead(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ text, want string }{
		"yaml":            {"a: 1\nb: [x, 2.5, true, null, 'no']\n", `[{"a":1,"b":["x",2.5,true,null,"no"]}]`},
		"single pair":     {"a:\n  b: {c: d}\n", `[{"a":{"b":{"c":"d"}}}]`},
		"documents":       {"a: 1\n---\nb: 2\n", `[{"a":1},{"b":2}]`},
		"json":            {"\t{\"a\": [1, 2.5, -3e2], \"b\": {}}", `[{"a":[1,2.5,-300],"b":{}}]`},
		"block":           {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", `[{"a":"x\ny\n","b":"x y"}]`},
		"anchors":         {"a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\nc: *x\n", `[{"a":{"p":1,"q":2},"b":{"p":1,"q":3},"c":{"p":1,"q":2}}]`},
		"keys as written": {"true: 1\n5: 2\nyes: 3\n", `[{"5":2,"true":1,"yes":3}]`},
		"tag":             {"a: !!str 12\n", `[{"a":"12"}]`},
		"templates":       {"a: \"{{ x }}\"\nb: x {{ y }} z\n", `[{"a":"{{ x }}","b":"x {{ y }} z"}]`},
		"mark":            {"\ufeffa: 1\n", `[{"a":1}]`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			docs, err := source.Read("f", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			plain := make([]any, 0, len(docs))
			for _, d := range docs {
				plain = append(plain, d.Plain())
			}
			got, err := json.Marshal(plain)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"yaml": "a:\n  - b: 1\n    ö: {k: v}\n",
		"json": "{\"a\":\n  [{\"b\": 1,\n    \"ö\": {\"k\": \"v\"}}]}",
	} {
		docs, err := source.Read("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		item := docs[0].Get("a").Items[0]
		got := []source.Pos{item.Pairs[1].Pos, item.Get("ö").Get("k").Pos}
		want := []source.Pos{{3, 5}, {3, 12}}
		if name == "json" {
			want = []source.Pos{{3, 5}, {3, 16}}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for _, c := range []string{"ab", "bc", "cd", "de", "ef", "fg"} {
		bomb += c[1:] + ": &" + c[1:] + " [" + strings.TrimSuffix(strings.Repeat("*"+c[:1]+",", 10), ",") + "]\n"
	}
	cases := map[string]struct{ text, want string }{
		"twice":       {"a: 1\na: 2\n", "f:2:1: mapping key \"a\" already defined"},
		"json twice":  {`{"a":1,"a":2}`, `f:1:8: the key "a" is there twice`},
		"json end":    {`{"a":`, "ends in the middle"},
		"json behind": {`{} {}`, "f:1:4: there is text behind the document"},
		"json broken": {"{\"a\":\n  x}", "f:2:3: this is no JSON"},
		"empty":       {"# nothing\n", "empty"},
		"bomb":        {bomb, "too large or too deep"},
		"text bomb":   {"a: &a " + strings.Repeat("x", 10_000) + "\nb: [" + strings.Repeat("*a,", 1000) + "*a]\n", "too large when its anchors are resolved"},
		"key bomb":    {"a: &a {" + strings.Repeat("x", 1000) + ": 1}\nb: [" + strings.Repeat("*a,", 2000) + "*a]\n", "too large when its anchors are resolved"},
		"documents":   {strings.Repeat("---\na: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n", 200), "too large or too deep"},
		"deep":        {strings.Repeat("[", 200), "too large or too deep"},
		"cycle":       {"a: &x\n  b: *x\n", "inside itself"},
		"no anchor":   {"a: *x\n", "no anchor"},
		"infinity":    {"a: .inf\n", "no number"},
		"tag":         {"a: !secret x\n", "not known"},
		"large":       {"a: " + strings.Repeat("x", source.MaxSize), "larger than"},
		"indent":      {"a:\n\tb: 1\n", "f:2"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := source.Read("f", []byte(c.text))
			var e *source.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a: &x {b: 1}\nc:\n  <<: *x\n---\nd: |\n  e\n")
	f.Add(`{"a":[1,2.5,"x",null,true,{}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		docs, err := source.Read("f", []byte(text))
		if err != nil {
			return
		}
		for _, d := range docs {
			data, err := json.Marshal(d.Plain())
			if err != nil {
				t.Fatal(err)
			}
			again, err := source.Read("f", append([]byte("[\n"), append(data, ']')...))
			if err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			if diff := cmp.Diff(d.Plain(), again[0].Items[0].Plain()); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func TestWrite(t *testing.T) {
	t.Parallel()
	text := `{"b":1,"a":[1.5,true,null,"x <y>","two\nlines\n","{{ z }}","yes","1","~",": ","# no"," x ",{}],"c":{"d":[],"e":-3}}`
	docs, err := source.Read("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(docs[0].JSON(false))); diff != "" {
		t.Error(diff)
	}
	out := docs[0].YAML()
	again, err := source.Read("f", out)
	if err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if diff := cmp.Diff(text, string(again[0].JSON(false))); diff != "" {
		t.Errorf("%s\n%s", diff, out)
	}
}

// FuzzWrite: what is written as YAML is read as what it was.
func FuzzWrite(f *testing.F) {
	f.Add(`{"b":1,"a":[1.5,true,null,"x","two\nlines\n","{{ z }}","yes"," - a: b"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		docs, err := source.Read("f", []byte("["+text+"]"))
		if err != nil || strings.ContainsRune(text, '\x00') {
			return
		}
		want := string(docs[0].JSON(false))
		if strings.Contains(want, `\u00`) || strings.Contains(want, "\ufffd") || strings.Contains(want, "\ufeff") || strings.Contains(want, `\u202`) {
			return // YAML has no such characters
		}
		out := docs[0].YAML()
		again, err := source.Read("f", out)
		if err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		if got := string(again[0].JSON(false)); got != want {
			t.Errorf("%s became %s by\n%s", want, got, out)
		}
	})
}

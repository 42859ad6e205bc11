package strict_test

import (
	"encoding/json"
	"testing"

	"github.com/runsheet/runsheet/internal/api/strict"
	"github.com/runsheet/runsheet/internal/fault"
)

func TestParseKeepsNumbers(t *testing.T) {
	t.Parallel()
	const in = `{"a":12345678901234567890,"b":[1.10,true,null,"x"]}`
	v, err := strict.Parse([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := json.Marshal(v); err != nil || string(out) != in {
		t.Errorf("%s %v", out, err)
	}
}

// TestCompileRefuses: a schema cannot make the server read anything, nor loop.
func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		`{"$ref":"file:///etc/passwd"}`, `{"$ref":"http://127.0.0.1:1/x"}`, `{"$ref":"other.json"}`, `{"type":"nonsense"}`,
		`{"pattern":"("}`, `{"$schema":"https://example.org/x"}`,
	} {
		doc, err := strict.Parse([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := strict.Compile(doc, "", nil); err == nil {
			t.Errorf("%s was accepted", in)
		}
	}
}

func TestHalvedPairs(t *testing.T) {
	t.Parallel()
	for in, good := range map[string]bool{
		`"\ud83d\ude00"`: true, `"\\ud800"`: true, "\"\uFFFD\"": true, `"\ufffd\ud83d\ude00"`: true, "\"\uFFFD\\\\\"": true,
		`"\ud800"`: false, `"\uDFFF"`: false, `"\ude00\ud83d"`: false, `"\ud83d\u0041"`: false, `"\\\ud800"`: false,
		`{"a":1,"\ud800":2}`: false, `[ "x" , "\ud83d\ud83d\ude00" ]`: false,
	} {
		if _, err := strict.Parse([]byte(in)); (err == nil) != good {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestNamePlace(t *testing.T) {
	t.Parallel()
	doc, err := strict.Parse([]byte(`{"properties":{"env":{"propertyNames":{"pattern":"^[A-Z]+$"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := strict.Compile(doc, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	f := fault.From(s.Check(map[string]any{"env": map[string]any{"A=B": "x"}}, "/params"))
	if f == nil || len(f.Fields) != 1 || f.Fields[0].Pointer != "/params/env/A=B" {
		t.Errorf("%+v", f)
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	schema, err := strict.Parse([]byte(`{"type":"object","required":["a/b"],"additionalProperties":false,"properties":{
		"a/b":{"type":"integer"},"list":{"type":"array","items":{"type":"object","additionalProperties":false,"properties":{"some_name":{}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := strict.Compile(schema, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]fault.Field{
		`{}`:                                   {Pointer: "/p/a~1b", Code: "required", Detail: "is required"},
		`{"a/b":"x"}`:                          {Pointer: "/p/a~1b", Code: "wrong_type", Detail: "is string, must be integer"},
		`{"a/b":1,"list":[{},{"someName":1}]}`: {Pointer: "/p/list/1/someName", Code: "unknown", Detail: "unknown field; did you mean some_name?"},
	} {
		doc, err := strict.Parse([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		f := fault.From(s.Check(doc, "/p"))
		if f == nil || len(f.Fields) != 1 || f.Fields[0] != want {
			t.Errorf("%s: %+v", in, f)
		}
	}
	if err := s.CheckPartial(map[string]any{}, ""); err != nil {
		t.Errorf("partial: %v", err)
	}
}

func TestClosest(t *testing.T) {
	t.Parallel()
	known := []string{"count", "from", "name", "priority", "some_name", "type"}
	for in, want := range map[string]string{
		"someName": "some_name", "priorty": "priority", "nam": "name", "tpye": "type", "form": "from", "cron": "", "size": "", "": "",
	} {
		if got := strict.Closest(in, known); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2]}`, `[`, `{"a":1,"a":2}`, `1e400`, "\"\\u0000\"", `{"a":}`, `[1 2]`, `{"a" 1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := strict.Parse(b); err == nil && !json.Valid(b) {
			t.Errorf("%q was accepted", b)
		}
	})
}

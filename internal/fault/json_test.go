package fault_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/runsheet/runsheet/internal/fault"
)

func TestFromJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]fault.Field{
		`{"a":{"n":5.0}}`: {{Pointer: "/a/n", Code: "wrong_type", Detail: "must be written as a whole number, without fraction or exponent"}},
		`{"a":{"n":"5"}}`: {{Pointer: "/a/n", Code: "wrong_type", Detail: "is string, which cannot be used here"}},
		`[]`:              {{Pointer: "", Code: "wrong_type", Detail: "is array, which cannot be used here"}},
		`{`:               nil,
	} {
		var v struct {
			A struct {
				N int `json:"n"`
			} `json:"a"`
		}
		f := fault.FromJSON(json.Unmarshal([]byte(in), &v), "it does not fit")
		if f.Code != fault.InvalidInput {
			t.Errorf("%s: code %s", in, f.Code)
		}
		if d := cmp.Diff(want, f.Fields); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
}

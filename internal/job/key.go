package job

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// This file makes keys from params: those by which Unique and Limits compare
// jobs. Keys are kept with jobs, so what goes into them must never change.

// Pointer is the JSON pointer (RFC 6901) that a person means by the name of a
// param: a name of the top level, or a pointer.
func Pointer(name string) string {
	if name == "" || strings.HasPrefix(name, "/") {
		return name
	}
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// Pointers is Pointer of each name, sorted, without duplicates.
func Pointers(names []string) []string {
	if len(names) == 0 {
		return nil
	}
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, Pointer(n))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkPointers adds a field to f for each text that is no pointer into params.
func checkPointers(f *fault.Error, at string, pointers []string) *fault.Error {
	if len(pointers) > MaxKeyParams {
		f = f.At(at, "too_long", "must have at most "+decimal(MaxKeyParams)+" items")
	}
	for i, p := range pointers {
		if !validPointer(p) {
			f = f.At(at+"/"+decimal(i), "format", "must be the name of a param, or a JSON pointer such as /user/id")
		}
	}
	return f
}

func validPointer(p string) bool {
	if !strings.HasPrefix(p, "/") || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' }) {
		return false
	}
	rest := strings.NewReplacer("~0", "", "~1", "").Replace(p)
	return !strings.Contains(rest, "~")
}

// keyOf hashes the tenant, the template or else the job type, and the values of
// the params at the pointers; all params when there are none. A param that is
// missing is a value of its own, unlike null. kind keeps keys for different
// purposes apart.
func keyOf(kind string, j Job, pointers []string) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(j.Params))
	dec.UseNumber()
	var params any
	if err := dec.Decode(&params); err != nil {
		return "", fmt.Errorf("read params: %w", err)
	}
	from := "type:" + j.Type
	if j.TemplateID != "" {
		from = "template:" + j.TemplateID
	}
	doc := []any{kind, "v1", j.Tenant, from}
	if len(pointers) == 0 {
		doc = append(doc, plain(params))
	}
	for _, p := range Pointers(pointers) {
		if v, ok := lookUp(params, p); ok {
			doc = append(doc, []any{p, plain(v)})
			continue
		}
		doc = append(doc, []any{p})
	}
	b, err := json.Marshal(doc) // sorts the keys of objects
	if err != nil {
		return "", fmt.Errorf("write key: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), nil
}

// lookUp returns what a pointer points to.
func lookUp(v any, pointer string) (any, bool) {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		token = unescape.Replace(token)
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[token]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(at) || decimal(i) != token {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// plain writes equal numbers alike: 1, 1.0 and 1e0 are one value.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = plain(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = plain(x)
		}
		return out
	case json.Number:
		return plainNumber(v)
	}
	return v
}

// exact is the first whole number that a float64 cannot tell from its neighbour.
const exact = 1 << 53

func plainNumber(n json.Number) json.Number {
	if !strings.ContainsAny(n.String(), ".eE") {
		if n == "-0" {
			return "0"
		}
		return n // however large
	}
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return n
	}
	if f == math.Trunc(f) && math.Abs(f) < exact {
		return json.Number(strconv.FormatInt(int64(f), 10))
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}

func decimal(n int) string { return strconv.Itoa(n) }

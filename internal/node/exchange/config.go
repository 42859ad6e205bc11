package exchange

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/runsheet/runsheet/internal/fault"
	"github.com/runsheet/runsheet/internal/node"
	"github.com/runsheet/runsheet/internal/outbound"
	"github.com/runsheet/runsheet/internal/workflow/source"
)

// HostPort is the host of a URL with its port.
func HostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// Invalid is the failure of a config that was computed to something wrong.
func Invalid(format string, args ...any) error {
	return node.Fatal("invalid_config", fmt.Errorf(format, args...))
}

// Text is a value as text: strings as they are, numbers and booleans as JSON. false
// for other values.
func Text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool, int, int64, float64:
		b, err := json.Marshal(v)
		return string(b), err == nil
	}
	return "", false
}

// String is a field of a config that must be a string; "" if it is not there.
func String(config map[string]any, name string) (string, error) {
	v, ok := config[name]
	if !ok || v == nil {
		return "", nil
	}
	s, ok := Text(v)
	if !ok {
		return "", Invalid("%s must be a string", name)
	}
	return s, nil
}

// Headers are the request headers of a config's field headers. Values that are null
// are left out.
func Headers(config map[string]any) (http.Header, error) {
	h := http.Header{}
	m, ok := config["headers"].(map[string]any)
	if !ok && config["headers"] != nil {
		return nil, Invalid("headers must be an object")
	}
	for name, v := range m {
		if v == nil {
			continue
		}
		text, ok := Text(v)
		if !ok {
			return nil, Invalid("the header %s must be a string", name)
		}
		if err := outbound.CheckHeader(name, text); err != nil {
			return nil, Invalid("%s", fault.From(err).Detail)
		}
		if h.Get(name) != "" {
			return nil, Invalid("the header %s comes twice", http.CanonicalHeaderKey(name))
		}
		h.Set(name, text)
	}
	return h, nil
}

// CheckURL reports a url of a document that can never be reached, as far as it is not
// computed.
func CheckURL(config *source.Value, report func(at source.Pos, code, text string)) {
	v := config.Get("url")
	if v == nil || v.Kind != source.String || strings.Contains(v.Str, "{{") {
		return
	}
	if u, err := url.Parse(v.Str); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		report(v.Pos, "wrong_value", "url must begin with http:// or https:// and have a host")
	} else if u.User != nil {
		report(v.Pos, "wrong_value", "url must not have a user name or password; use auth, or a header")
	}
}

// CheckHeaders reports headers of a document that cannot be sent.
func CheckHeaders(config *source.Value, report func(at source.Pos, code, text string)) {
	v := config.Get("headers")
	if v == nil || v.Kind != source.Map {
		return
	}
	seen := map[string]bool{}
	for _, pair := range v.Pairs {
		value := pair.Value.Str
		if strings.Contains(value, "{{") {
			value = ""
		}
		if err := outbound.CheckHeader(pair.Key, value); err != nil {
			report(pair.Pos, "wrong_value", fault.From(err).Detail)
		}
		name := http.CanonicalHeaderKey(pair.Key)
		if seen[name] {
			report(pair.Pos, "wrong_value", "the header "+name+" comes twice")
		}
		seen[name] = true
	}
}

// Expect are statuses.
type Expect []span

type span struct{ low, high int }

// ParseExpect reads statuses: numbers, and ranges such as "200-299".
func ParseExpect(list []any) (Expect, error) {
	var out Expect
	for _, v := range list {
		text, ok := Text(v)
		if !ok {
			return nil, errors.New("a status is a number such as 201, or a range such as 200-299")
		}
		first, last, ranged := strings.Cut(text, "-")
		low, err1 := strconv.Atoi(strings.TrimSpace(first))
		high, err2 := low, error(nil)
		if ranged {
			high, err2 = strconv.Atoi(strings.TrimSpace(last))
		}
		if err1 != nil || err2 != nil || low < 200 || high > 599 || low > high {
			return nil, fmt.Errorf("%q is neither a status from 200 to 599 nor a range such as 200-299", text)
		}
		out = append(out, span{low, high})
	}
	return out, nil
}

func (e Expect) fits(status int) bool {
	if len(e) == 0 {
		return status >= 200 && status <= 299
	}
	for _, s := range e {
		if status >= s.low && status <= s.high {
			return true
		}
	}
	return false
}

// String is how people read it.
func (e Expect) String() string {
	if len(e) == 0 {
		return "200-299"
	}
	words := make([]string, 0, len(e))
	for _, s := range e {
		word := strconv.Itoa(s.low)
		if s.high != s.low {
			word += "-" + strconv.Itoa(s.high)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// Value is the content of an answer as a value: JSON decoded if the answer says that
// it is JSON, null if there is none, text if it is text, and base64 of everything
// else. ok is false where JSON was said and text came.
func (a Answer) Value() (v any, ok bool) {
	if len(a.Content) == 0 {
		return nil, true
	}
	said := IsJSON(a.MediaType)
	if said {
		if v, err := decode(a.Content); err == nil {
			return v, true
		}
	}
	if utf8.Valid(a.Content) {
		return strings.TrimPrefix(string(a.Content), "\ufeff"), !said
	}
	return base64.StdEncoding.EncodeToString(a.Content), !said
}

// IsJSON reports whether a Content-Type is of JSON.
func IsJSON(contentType string) bool {
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// decode reads JSON; whole numbers are int64, as everywhere in workflows, so that long
// ids keep all their digits.
func decode(content []byte) (any, error) {
	var v any
	d := json.NewDecoder(strings.NewReader(strings.TrimPrefix(string(content), "\ufeff")))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("there is more behind the value")
	}
	return plain(v), nil
}

func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

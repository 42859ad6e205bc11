package outbound

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of what is shown of a response.
const (
	maxShown      = 48
	maxShownRunes = 512
)

// Masked stands for a value that is not shown.
const Masked = "********"

// Shown are the headers of a response in lower case, fit for people: bounded,
// without credentials of the server's, and without the given secrets.
func Shown(h http.Header, secrets []string) map[string]string {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if len(out) == maxShown {
			break
		}
		value := strings.ToValidUTF8(strings.Join(h[name], ", "), "\uFFFD")
		for _, s := range secrets {
			value = strings.ReplaceAll(value, s, Masked)
		}
		switch {
		case Sensitive(name):
			value = Masked
		case name == "Location" || name == "Content-Location" || name == "Refresh" || name == "Link":
			value, _, _ = strings.Cut(value, "?")
		}
		if r := []rune(value); len(r) > maxShownRunes {
			value = string(r[:maxShownRunes]) + "..."
		}
		out[strings.ToLower(name)] = value
	}
	return out
}

// Sensitive reports whether the value of a header of this name is not shown.
func Sensitive(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"auth", "cookie", "token", "secret", "key", "session", "password", "passwd", "signature", "credential"} {
		if strings.Contains(name, part) {
			return name != "www-authenticate" && name != "idempotency-key"
		}
	}
	return false
}

// Credentials are the values of request headers that must not come back in what is
// recorded of a response.
func Credentials(h http.Header) []string {
	var out []string
	for name, values := range h {
		if !Sensitive(name) {
			continue
		}
		for _, value := range values {
			out = append(out, value)
			if _, credentials, ok := strings.Cut(value, " "); ok { // Bearer x, Basic x
				out = append(out, credentials)
			}
		}
	}
	// A short value would mask harmless text everywhere.
	return slices.DeleteFunc(out, func(s string) bool { return len(s) < 8 || !utf8.ValidString(s) })
}

// maxRetryAfter bounds how long a server may ask for.
const maxRetryAfter = 24 * time.Hour

// RetryAfter reads a Retry-After header, seconds or a date (RFC 9110, section
// 10.2.3), as the time that is left at now, at most a day; 0 if it is neither.
func RetryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(s); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// Status has the registered text of a code, not the server's.
func Status(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

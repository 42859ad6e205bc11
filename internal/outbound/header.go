package outbound

import (
	"net/textproto"
	"slices"
	"strings"

	"github.com/runsheet/runsheet/internal/fault"
)

// reserved are headers that say how a connection is used or where a request
// goes. With them a request could be made to mean another one.
var reserved = []string{
	"Connection", "Content-Length", "Expect", "Host", "Http2-Settings", "Keep-Alive", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

// CheckHeader refuses, with invalid_input, a header that cannot be sent or that
// is not the sender's to set. The value is not repeated.
func CheckHeader(name, value string) error {
	if name == "" || len(name) > 128 || strings.ContainsFunc(name, func(r rune) bool { return !tokenRune(r) }) {
		return fault.New(fault.InvalidInput, "the name of a header has letters, digits and a few signs such as -, at most 128")
	}
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	if slices.Contains(reserved, canonical) || strings.HasPrefix(canonical, "Proxy-") {
		return fault.Newf(fault.InvalidInput, "the header %s belongs to the connection and is set by the server", canonical)
	}
	if len(value) > 8<<10 {
		return fault.Newf(fault.InvalidInput, "the value of the header %s is longer than 8192 bytes", canonical)
	}
	for i := range len(value) {
		if b := value[i]; b < ' ' && b != '\t' || b == 0x7f {
			return fault.Newf(fault.InvalidInput, "the value of the header %s contains a line break or another control character", canonical)
		}
	}
	return nil
}

// tokenRune is tchar of RFC 9110, section 5.6.2.
func tokenRune(r rune) bool {
	return r < 0x7f && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
}

// Package viewer serves the static pages: the viewer of the OpenAPI document and
// the user interface. They are public and hold no data; the viewer asks for a token
// and reads the document with it, the user interface uses the session's cookie.
// Nothing is loaded from elsewhere.
//
// static/ holds swagger-ui-dist 5.35.0 (bundle and style only, Apache-2.0, see
// LICENSE and NOTICE beside it) and our page around it.
package viewer

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed static
var static embed.FS

// CSP is the content security policy of every page: own files only, nothing
// inline, no frame.
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves the API viewer below prefix, which ends in a slash.
func Handler(prefix string, missing http.HandlerFunc) http.Handler {
	sub, err := fs.Sub(static, "static")
	if err != nil {
		panic("viewer: " + err.Error()) // the folder is embedded: cannot happen
	}
	return Files(prefix, sub, missing)
}

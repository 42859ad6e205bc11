// Package viewer serves the static pages: the viewer of the OpenAPI document,
// the pages of the own account, and the user interface. They are public and hold
// no data; the viewer asks for a token and reads the document with it, the others
// use the session's cookie. Nothing is loaded from elsewhere.
//
// account/ is to set up, log in, see and end sessions, and change the password,
// without a framework, so that it works whatever the user interface does.
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

//go:embed account
var account embed.FS

// CSP is the content security policy of every page: own files only, nothing
// inline, no frame.
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves the API viewer below prefix, which ends in a slash.
func Handler(prefix string, missing http.HandlerFunc) http.Handler {
	return Files(prefix, folder(static, "static"), missing)
}

// Account serves the pages of the own account below prefix, which ends in a
// slash.
func Account(prefix string, missing http.HandlerFunc) http.Handler {
	return Files(prefix, folder(account, "account"), missing)
}

func folder(files embed.FS, name string) fs.FS {
	sub, err := fs.Sub(files, name)
	if err != nil {
		panic("viewer: " + err.Error()) // the folder is embedded: cannot happen
	}
	return sub
}

package oidc

import "testing"

func TestSafeReturn(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"":                                 "/ui/",
		"/ui/":                             "/ui/",
		"/ui/jobs":                         "/ui/jobs",
		"/ui/jobs/?a=%2F%2Fx#/job/1":       "/ui/jobs/?a=%2F%2Fx#/job/1",
		"/":                                "/ui/",
		"/api/jobs":                        "/ui/",
		"/uix":                             "/ui/",
		"//evil.example/ui/":               "/ui/",
		"///evil.example/ui/":              "/ui/",
		"/\\evil.example/ui/":              "/ui/",
		"https://evil.example/ui/":         "/ui/",
		"https:/ui/":                       "/ui/",
		"javascript:alert(1)//ui/":         "/ui/",
		"/ui/../..//evil.example":          "/ui/",
		"/ui/%2e%2e/%2e%2e/api/jobs":       "/ui/",
		"/ui//evil.example":                "/ui/",
		"/ui/%5c%5cevil.example":           "/ui/",
		"/ui/\\..\\..\\evil.example":       "/ui/",
		"/ui/x\r\nLocation: //evil":        "/ui/",
		"/ui/%0d%0aLocation:%20//evil":     "/ui/",
		"\t//evil.example":                 "/ui/",
		" /ui/jobs":                        "/ui/",
		"/ui/..":                           "/ui/",
		"ui/jobs":                          "/ui/",
		"http://user@evil.example/ui/":     "/ui/",
		"/ui/" + string(make([]byte, 600)): "/ui/",
	} {
		if got := SafeReturn(to); got != want {
			t.Errorf("%q: %q, want %q", to, got, want)
		}
	}
}

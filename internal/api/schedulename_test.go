package api

import "testing"

func TestProgramOf(t *testing.T) {
	for params, want := range map[string]string{
		`{"argv":["/opt/jobs/report.sh","--out","/var/x"]}`: "report.sh",
		`{"argv":["echo","a b"]}`:                           "echo",
		`{"argv":[]}`:                                       "command",
		`{"argv":[""]}`:                                     "command",
		`{"argv":"echo"}`:                                   "command",
		`{}`:                                                "command",
	} {
		if got := programOf([]byte(params), "command"); got != want {
			t.Errorf("%s: %q, want %q", params, got, want)
		}
	}
}

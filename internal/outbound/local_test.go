package outbound

import (
	"testing"

	"github.com/runsheet/runsheet/internal/fault"
)

func TestLocalOnly(t *testing.T) {
	t.Parallel()
	c, err := New(Options{
		LocalOnly: true, Allow: []string{"8.8.8.8:80", "models.test:80", "10.0.0.5:80"},
		Resolver: resolver("models.test", "127.0.0.1 8.8.8.8"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for url, allowed := range map[string]bool{
		"http://8.8.8.8": false, "http://1.1.1.1": false, "http://10.0.0.5": true, "http://10.0.0.6": false, "http://models.test": true,
	} {
		if _, err := c.Check(url); (err == nil) != allowed || err != nil && !fault.Is(err, fault.TargetNotAllowed) {
			t.Errorf("%s: %v, allowed = %v", url, err, allowed)
		}
	}
	resp, err := c.Do(t.Context(), Request{URL: "http://models.test"})
	if err == nil {
		resp.Body.Close()
	}
	if !fault.Is(err, fault.TargetNotAllowed) {
		t.Errorf("a name with a public address among others: %v", err)
	}
}

package outbound

import "testing"

// TestCheckSecure: http only where the operator has named the target.
func TestCheckSecure(t *testing.T) {
	t.Parallel()
	c, err := New(Options{Allow: []string{"hooks.lan:80", "10.0.0.0/8:8080", "[fd00::1]:*", "127.0.0.1:9000", "8.8.8.8:80"}})
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]bool{
		"https://example.com/": true, "https://example.com:8443/x?y": true, "https://10.1.2.3:8080/": true,
		"http://example.com/": false, "http://hooks.lan/": true, "http://hooks.lan:81/": false, "http://HOOKS.lan./": true,
		"http://10.1.2.3:8080/": true, "http://10.1.2.3/": false, "http://[fd00::1]:1234/": true, "http://[fd00::2]:1234/": false,
		"http://127.0.0.1:9000/": true, "http://localhost:9000/": true, "http://localhost:9001/": false, "http://a.localhost:9000/": false,
		"http://8.8.8.8/": true, "http://8.8.4.4/": false, "https://127.0.0.1/": false, "https://169.254.169.254/": false,
		"ftp://hooks.lan/": false, "http://u@hooks.lan/": false,
	} {
		if _, err := c.CheckSecure(raw); (err == nil) != want {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

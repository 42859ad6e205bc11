package identity

import "testing"

func TestCommonPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	for password, good := range map[string]bool{
		"123456789012":            false,
		"864209753186":            false,
		"password1234":            false,
		"PassWord1234":            false,
		"1password2345":           false,
		"qwertyuiopas":            false,
		"passwordpassword":        false,
		"letmeinletmein":          false,
		"abcabcabcabc":            false,
		"abcdefghijklmn":          false,
		"adminadmin2026":          false,
		"welcomeadmin":            false,
		"aaaaaaaaaaab":            false,
		"annannannann":            false,
		"Ann1password":            false,
		"correct horse battery":   true,
		"Tr0ub4dor&3xyz":          true,
		"another good password":   true,
		"long enough secret":      true,
		"password of my own make": true,
		"anna's barn is red":      true,
		"4711 kg of pebbles":      true,
	} {
		if err := checkNew("ann", password); (err == nil) != good {
			t.Errorf("%q: %v", password, err)
		}
	}
	// A name without letters takes nothing away.
	if err := checkNew("4711", "correct horse battery"); err != nil {
		t.Error(err)
	}
}

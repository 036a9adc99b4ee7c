package pki

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// RFC 7512, Section 2.3
func TestTokenURI(t *testing.T) {
	const whole = "pkcs11:token=The%20site;object=tls%3bkey;id=%01%02;type=private?module-path=/usr/lib/p11.so&pin-source=file:pin\n"
	want := tokenKey{module: "/usr/lib/p11.so", token: "The site", object: "tls;key", id: []byte{1, 2}, pinFile: "/site/pin"}
	got, err := parseTokenURI([]byte(whole), "/site")
	if d := cmp.Diff(want, got, cmp.AllowUnexported(tokenKey{})); err != nil || d != "" {
		t.Errorf("%s: %v\n%s", whole, err, d)
	}
	for text, says := range map[string]string{
		"pkcs11:":                                                           "no module",
		"pkcs11:object=a":                                                   "no module",
		"pkcs11:object=a?module-path=/m":                                    "no token",
		"pkcs11:token=a?module-path=/m":                                     "no key",
		"pkcs11:token=a;object=b?module-path=/m":                            "no PIN",
		"pkcs11:token=a;object=b?module-path=/m&pin-value=1234":             "holds the PIN",
		"pkcs11:token=a;token=b?module-path=/m":                             "malformed",
		"pkcs11:token=%zz?module-path=/m":                                   "malformed",
		"pkcs11:token?module-path=/m":                                       "malformed",
		"pkcs11:type=cert;token=a;object=b?module-path=/m&pin-source=/p":    "private key",
		"pkcs11:slot-id=1;object=b?module-path=/m&pin-source=/p":            "not supported",
		"pkcs11:colour=red;object=b?module-path=/m&pin-source=/p":           "not known",
		"pkcs11:token=a;object=b?module-path=/m&pin-source=/p\npkcs11:…":    "one line",
		"pkcs11:token=" + strings.Repeat("a", maxTokenURI) + "?pin-source=": "one line",
	} {
		if _, err := parseTokenURI([]byte(text), "/"); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "1234") {
			t.Errorf("%.80s: error is %v, want %q", text, err, says)
		}
	}
}

func TestPINFileIsClosedToOthers(t *testing.T) {
	k := tokenKey{pinFile: filepath.Join(t.TempDir(), "pin")}
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string
		says string
	}{{"1234\n", 0o600, "1234", ""}, {"1234\n", 0o640, "", "open to others"}, {"\n", 0o600, "", "empty"}} {
		if err := writeFile(k.pinFile, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		got, err := k.pin()
		if got != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q with mode %o: %q, %v", c.text, c.mode, got, err)
		}
	}
}

func FuzzTokenURI(f *testing.F) {
	f.Add([]byte("pkcs11:token=a;id=%01?module-path=/m&pin-source=file:p"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := parseTokenURI(data, "/"); err == nil && (k.module == "" || k.pinFile == "" || k.object == "" && len(k.id) == 0) {
			t.Errorf("%q is taken, and names too little: %+v", data, k)
		}
	})
}

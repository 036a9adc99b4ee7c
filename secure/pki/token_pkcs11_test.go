//go:build pkcs11

package pki

import (
	"crypto"
	"crypto/elliptic"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// made reports whether there has been a token in this process: SoftHSM reads its configuration once.
var made bool

// softHSM makes a token and returns the path of the module.
func softHSM(t *testing.T) (module string) {
	t.Helper()
	for _, file := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"} {
		if _, err := os.Stat(file); err == nil {
			module = file
		}
	}
	if module == "" {
		t.Skip("SoftHSM 2 is not installed: install the package softhsm2")
	}
	if made {
		t.Skip("SoftHSM has been used in this process already")
	}
	made = true
	dir := t.TempDir()
	conf := filepath.Join(dir, "softhsm2.conf")
	if err := os.WriteFile(conf, []byte("directories.tokendir = "+dir+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	hsm(t, "--init-token", "--free", "--label", "The site", "--pin", "4711", "--so-pin", "0815")
	return module
}

func hsm(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("softhsm2-util", args...).CombinedOutput(); err != nil {
		t.Fatalf("softhsm2-util %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// A key that never leaves its token logs in over TLS, at both ends and in both versions.
func TestKeyInAToken(t *testing.T) {
	module := softHSM(t)
	h := newHierarchy(t, E2M)
	wrong := filepath.Join(t.TempDir(), "pin")
	if err := writeFile(wrong, []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Once somebody in this process has logged in, the token asks for no PIN any more.
	if _, err := (&tokenKey{module: module, token: "The site", object: "key 0", pinFile: wrong}).open(); err == nil {
		t.Error("a wrong PIN opens the token")
	}
	for i, key := range []crypto.Signer{ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), rsaKey(t, 2048)} {
		t.Run(fmt.Sprintf("%T %d", key, i), func(t *testing.T) {
			dir := t.TempDir()
			label := fmt.Sprintf("key %d", i)
			pem := must(encodeKey(key))(t)
			plain := filepath.Join(dir, "key.pem")
			if err := writeFile(plain, pem, 0o600); err != nil {
				t.Fatal(err)
			}
			hsm(t, "--import", plain, "--token", "The site", "--label", label, "--id", fmt.Sprintf("0%d", i+1), "--pin", "4711")
			crt, uri, pin := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "pin")
			chain := mint(t, h.issuing, forServer, func(d *draft) { d.key = key })
			writePEM(t, crt, chain)
			text := "pkcs11:token=The%20site;object=" + strings.ReplaceAll(label, " ", "%20") + "?module-path=" + module + "&pin-source=file:pin\n"
			if err := writeFile(uri, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := writeFile(pin, []byte("4711\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			id, err := LoadIdentity(crt, uri)
			if err != nil {
				t.Fatal(err)
			}
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				client := ClientTLS(nil, h.trust, "site.example")
				client.MaxVersion = version
				if _, _, serverErr, clientErr := handshake(t, ServerTLS(id), client); serverErr != nil || clientErr != nil {
					t.Errorf("%s: %v, %v", tls.VersionName(version), serverErr, clientErr)
				}
			}
			own := mint(t, h.issuing, forClient, func(d *draft) { d.key = key })
			server := must(h.issuing.IssueServer("site.example"))(t)
			s, _, serverErr, clientErr := handshake(t, ServerTLS(server), ClientTLS(&Identity{Chain: own, Key: id.Key}, h.trust, "site.example"))
			if serverErr != nil || clientErr != nil {
				t.Fatalf("as a client: %v, %v", serverErr, clientErr)
			}
			if _, err := h.trust.VerifyClientTLS(s, time.Now()); err != nil {
				t.Errorf("as a client: %v", err)
			}
			for name, spoil := range map[string]func() error{
				"an open PIN":     func() error { return writeFile(pin, []byte("4711\n"), 0o644) },
				"no such key":     func() error { return writeFile(uri, []byte(strings.Replace(text, "key", "lock", 1)), 0o600) },
				"another's token": func() error { return writeFile(uri, []byte(strings.Replace(text, "site", "plant", 1)), 0o600) },
			} {
				if err := spoil(); err != nil {
					t.Fatal(err)
				}
				if _, err := LoadIdentity(crt, uri); err == nil || strings.Contains(err.Error(), "4711") {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// openssl runs the command of that name, or skips where there is none.
func openssl(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the package openssl is missing")
		}
		t.Skip("the package openssl is missing")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestOpenSSLAgrees lets OpenSSL verify the signatures of the vectors and derive their keys.
func TestOpenSSLAgrees(t *testing.T) {
	for _, a := range []Algorithm{AES256GCM, AES128GCM} {
		t.Run(a.String(), func(t *testing.T) {
			v := readVector(t, filepath.Join(vectorDir, "session-"+a.String()+".txt"))
			dir := t.TempDir()
			file := func(name string, octets []byte) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, octets, 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			for name, signer := range map[string]string{"HandshakeReq": "client", "HandshakeAcc": "server", "ReleaseReq": "client", "ReleaseRsp": "server"} {
				r, err := receive(nil, []byte(v.get(t, name)), maxHandshakeSize)
				if err != nil {
					t.Fatal(err)
				}
				cert := file(signer+".pem", []byte(v.get(t, signer+" certificate")+"\n"))
				public := file("public.pem", []byte(openssl(t, "x509", "-in", cert, "-noout", "-pubkey")+"\n"))
				token := r.signedToken()
				out := openssl(t, "dgst", "-sha256", "-verify", public, "-signature", file("signature", token.sign.Sign), file("tbs", token.tbs))
				if out != "Verified OK" {
					t.Errorf("%s: %s", name, out)
				}
			}
			for _, suffix := range []string{"", " of the re-key"} {
				ikm := v.get(t, "Z"+suffix)
				if suffix != "" {
					ikm += v.get(t, "chain value")
				}
				want := ""
				for _, part := range []string{"client's traffic key", "server's traffic key", "client's nonce prefix", "server's nonce prefix", "chain value"} {
					want += v.get(t, part+suffix)
				}
				out := openssl(t, "kdf", "-keylen", fmt.Sprint(len(want)/2), "-kdfopt", "digest:SHA256", "-kdfopt", "hexkey:"+ikm,
					"-kdfopt", "hexsalt:"+v.get(t, "salt"+suffix), "HKDF")
				if got := strings.ToLower(strings.ReplaceAll(out, ":", "")); got != want {
					t.Errorf("HKDF%s is\n%s, want\n%s", suffix, got, want)
				}
			}
		})
	}
}

package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const opensslScript = vectorDir + "/openssl.sh"

// openssl has the script of the vectors compute one anew, and returns what it prints of what agrees, or what it says of
// what does not.
func openssl(t *testing.T, file string) (agreed, complaint string) {
	t.Helper()
	for program, debian := range map[string]string{"openssl": "openssl", "bash": "bash"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("the package %s is missing", debian)
			}
			t.Skipf("the package %s is missing", debian)
		}
	}
	out, err := exec.Command("bash", opensslScript, file).Output()
	var status *exec.ExitError
	switch {
	case errors.As(err, &status):
		return string(out), strings.TrimSpace("no: " + string(status.Stderr))
	case err != nil:
		t.Fatal(err)
	}
	return string(out), ""
}

// TestOpenSSLAgrees lets OpenSSL compute anew, from the keys of the vectors, what they hold: signatures and paths, shared
// secrets, salts, what HKDF yields, nonces, ciphertexts, tags and ICVs. Every section is one of these, or what they come of.
//
// IEC 62351-4, 13; RFC 5869; NIST SP 800-38D
func TestOpenSSLAgrees(t *testing.T) {
	given := map[string]bool{"now": true, "plaintext": true, "root certificate": true, "client certificate": true, "server certificate": true,
		"client key of the agreement": true, "server key of the agreement": true}
	for _, s := range sessions() {
		t.Run(s.file, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(vectorDir, s.file)
			agreed, complaint := openssl(t, file)
			if complaint != "" {
				t.Fatal(complaint)
			}
			v := readVector(t, file)
			for _, name := range v.names {
				if !given[name] && !strings.Contains("\n"+agreed, "\n"+name+": ") {
					t.Errorf("nothing is said of %s", name)
				}
				if x, ok := strings.CutPrefix(name, "ciphertext of "); ok && s.alg.form() == formAEAD && !strings.Contains(agreed, "\ntag of "+x+": ") {
					t.Errorf("nothing is said of the tag of %s", x)
				}
			}
			if want := v.get(t, "plaintext"); want != appData || strings.Count(agreed, ": "+want+"\n") != 7 {
				t.Errorf("%d PDUs carry %s, want 7 that carry %s", strings.Count(agreed, ": "+want+"\n"), want, appData)
			}
		})
	}
}

// What is changed in a vector, OpenSSL does not agree with: each kind of thing that it computes.
func TestOpenSSLDisagreesWithWhatIsChanged(t *testing.T) {
	const data = "client data"
	end := func(section string) func(*vector) { return altered(section, "") }
	for _, c := range []struct {
		file string
		edit func(*vector)
		want string
	}{
		{"aes-256-gcm", altered("ReleaseRsp", ",000Z</time>"), "the signature of ReleaseRsp is wrong"},
		{"aes-128-gcm", altered("HandshakeAcc", "</sign></sign>"), "the signature of HandshakeAcc is wrong"},
		{"aes-256-gcm", altered("now", "-22T"), "the client has no path"},
		{"rsa-modp-2048", end("Z"), "Z is"},
		{"aes-256-gcm", end("salt"), "salt is"},
		{"aes-256-gcm", end("chain value"), "chain value is"},
		{"aes-256-gcm", altered(data, "</applData>"), "ciphertext of " + data + " is"},
		{"aes-256-gcm", reseal(data, func(box []byte) { box[len(box)-1]++ }), "tag of " + data + " is"},
		{"aes-128-cbc-hmac-sha256", end("initialization vector of " + data), "initialization vector of " + data + " is"},
		{"aes-256-cbc-hmac-sha256", altered(data, "</icv>"), "icv of " + data + " is"},
		{"hmac-sha256", end("ICV of " + data), "ICV of " + data + " is"},
		{"aes-128-gmac", end("ICV of " + data), "ICV of " + data + " is"},
	} {
		t.Run(c.file+", "+c.want, func(t *testing.T) {
			t.Parallel()
			v := readVector(t, filepath.Join(vectorDir, "session-"+c.file+".txt"))
			c.edit(v)
			file := filepath.Join(t.TempDir(), "changed.txt")
			if err := os.WriteFile(file, v.text(), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, complaint := openssl(t, file); !strings.Contains(complaint, ": "+c.want) {
				t.Errorf("got %.200q, want %q", complaint, c.want)
			}
		})
	}
}

// altered makes another of the last character but five before follows, in the place of it that is last: the last of base64
// may hold bits that are of no use.
func altered(section, follows string) func(*vector) {
	return func(v *vector) {
		text := []byte(v.sections[section])
		at := strings.LastIndex(string(text), follows) - 6
		switch c := &text[at]; *c {
		case '1':
			*c = '2'
		default:
			*c = '1'
		}
		v.sections[section] = string(text)
	}
}

// reseal changes a ciphertext with its tag, both in the PDU and where it stands by itself.
func reseal(pdu string, edit func(box []byte)) func(*vector) {
	return func(v *vector) {
		box, err := hex.DecodeString(v.sections["ciphertext of "+pdu])
		if err != nil {
			panic(err)
		}
		old := base64.StdEncoding.EncodeToString(box)
		edit(box)
		v.sections["ciphertext of "+pdu] = hex.EncodeToString(box)
		v.sections[pdu] = strings.Replace(v.sections[pdu], old, base64.StdEncoding.EncodeToString(box), 1)
	}
}

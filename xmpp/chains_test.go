package xmpp

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

// opensslChain is what openssl is told of the certificates of another make: names of other kinds beside ours, in a critical
// extension and without a subject; texts of several string types; extensions that nobody knows; and as many octets as there may be.
const opensslChain = `
[ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
certificatePolicies=1.2.3.4
[server]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth,1.3.6.1.5.5.7.3.17
subjectAltName=@servernames
authorityKeyIdentifier=keyid
[servernames]
DNS.1=www.site.example
otherName.1=1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-client.site.example
otherName.2=1.3.6.1.5.5.7.8.7;IA5STRING:_sip.site.example
URI.1=https://www.site.example/
IP.1=192.0.2.1
[client]
keyUsage=digitalSignature,nonRepudiation
extendedKeyUsage=clientAuth
subjectAltName=critical,@clientnames
nsComment="%s"
[clientnames]
otherName.1=1.3.6.1.4.1.311.20.2.3;UTF8:ied1@windows.example
otherName.2=1.3.6.1.5.5.7.8.5;UTF8:ied1@site.example
otherName.3=1.2.3.4.5;BMPSTRING:ied1
email.1=ied1@mail.example
`

// chainOf has openssl make a hierarchy with keys of a kind and so many CAs below its root, and gives the root and both identities.
func chainOf(t *testing.T, key []string, between int) (root *x509.Certificate, server, client *pki.Identity) {
	t.Helper()
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("openssl", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "conf"), fmt.Appendf(nil, opensslChain, strings.Repeat("x", 7000)), 0o600); err != nil {
		t.Fatal(err)
	}
	made := 0
	sign := func(name, subject, extensions, by string) {
		t.Helper()
		made++
		run(append(append([]string{"genpkey"}, key...), "-out", name+".key")...)
		run("req", "-new", "-utf8", "-key", name+".key", "-subj", subject, "-out", name+".csr")
		args := []string{"x509", "-req", "-in", name + ".csr", "-out", name + ".crt", "-days", "30", "-sha384", "-extfile", "conf", "-extensions", extensions,
			"-set_serial", fmt.Sprint(made)}
		if by == name {
			args = append(args, "-signkey", name+".key")
		} else {
			args = append(args, "-CA", by+".crt", "-CAkey", by+".key")
		}
		run(args...)
	}
	sign("root", "/O=Wörks/CN=Root", "ca", "root")
	chain, last := []string{}, "root"
	for i := range between {
		name := fmt.Sprintf("ca%d", i)
		sign(name, fmt.Sprintf("/O=Wörks/CN=CA %d", i), "ca", last)
		chain, last = append([]string{name}, chain...), name
	}
	identity := func(name, subject string) *pki.Identity {
		sign(name, subject, name, last)
		var all []byte
		for _, file := range append([]string{name}, chain...) {
			text, err := os.ReadFile(filepath.Join(dir, file+".crt"))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, text...)
		}
		whole := filepath.Join(dir, name+".chain")
		if err := os.WriteFile(whole, all, 0o600); err != nil {
			t.Fatal(err)
		}
		id, err := pki.LoadIdentity(whole, filepath.Join(dir, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	server, client = identity("server", "/CN=Brökér"), identity("client", "/")
	text, err := os.ReadFile(filepath.Join(dir, "root.crt"))
	if err != nil {
		t.Fatal(err)
	}
	found, err := pki.Describe(text, time.Now())
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	run("x509", "-in", "root.crt", "-outform", "DER", "-out", "root.der")
	der, err := os.ReadFile(filepath.Join(dir, "root.der"))
	if err != nil {
		t.Fatal(err)
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return root, server, client
}

// Certificates of another make, with keys of every kind that there may be and one or two CAs between, log in and are logged in to,
// beside five other anchors.
//
// IEC 62351-3; RFC 6120, Section 13.7
func TestChainsOfAnotherMake(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed: install the package openssl")
		}
		t.Skip("openssl is not installed: install the package openssl")
	}
	var anchors []*x509.Certificate
	for range 5 {
		other, err := pki.NewRoot(pki.E2M, domain)
		if err != nil {
			t.Fatal(err)
		}
		anchors = append(anchors, other.Certificate())
	}
	ec := func(curve string) []string {
		return []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve}
	}
	for _, c := range []struct {
		name    string
		key     []string
		between int
	}{{"RSA 2048", []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}, 2}, {"P-256", ec("P-256"), 1}, {"P-384", ec("P-384"), 2}, {"P-521", ec("P-521"), 1}} {
		t.Run(fmt.Sprintf("%s, %d between", c.name, c.between), func(t *testing.T) {
			root, server, client := chainOf(t, c.key, c.between)
			if n := len(client.Chain[0].Raw); n < 7000 || n > 8192 {
				t.Errorf("the client's certificate has %d octets, want almost 8,192", n)
			}
			trust, err := pki.NewTrust(append(slices.Clone(anchors), root), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				p := newPair(t)
				p.client.Identity, p.client.Trust, p.client.maxTLS = client, trust, version
				p.server.Identity, p.server.Trust = server, trust
				served := p.serve(t.Context(), echo)
				s, err := Dial(t.Context(), p.client)
				if err != nil {
					t.Errorf("%s: %v", tls.VersionName(version), err)
				} else {
					if got := s.Info(); got.Mechanism != "EXTERNAL" || got.TLS.Version != version {
						t.Errorf("logged in by %s over %s", got.Mechanism, tls.VersionName(got.TLS.Version))
					}
					s.Close()
				}
				if err := <-served; err != nil {
					t.Errorf("%s: the server says %v", tls.VersionName(version), err)
				}
			}
		})
	}
}

// A client leaves a connection that has become too old, not all at the same time, and says why.
func TestClientLeavesAtItsAge(t *testing.T) {
	for _, c := range []struct {
		longest time.Duration
		early   float64
		want    time.Duration
	}{
		{0, 0, 12 * time.Hour}, {0, 1, 12*time.Hour - 72*time.Minute}, {time.Hour, 0.5, 57 * time.Minute},
		{48 * time.Hour, 0, 24 * time.Hour}, {-1, 0.5, 0},
	} {
		if got := life(c.longest, c.early); got != c.want {
			t.Errorf("life(%v, %v) = %v, want %v", c.longest, c.early, got, c.want)
		}
	}
	p := newPair(t)
	p.client.MaxAge = 50 * time.Millisecond
	p.client.Resume = -1
	served := p.serve(t.Context(), echo)
	s, err := Dial(t.Context(), p.client)
	if err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	<-served
	if !slices.ContainsFunc(p.clientEvents.Events(), func(e audit.Event) bool { return e.ID == audit.StreamRetired }) {
		t.Errorf("no event %s in %v", audit.StreamRetired, p.clientEvents.Events())
	}
}

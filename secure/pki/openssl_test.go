package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

// openssl runs the independent implementation in a folder and returns its
// status and all that it prints.
func openssl(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed: install the package openssl")
		}
		t.Skip("openssl is not installed: install the package openssl")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader("")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustOpenssl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := openssl(t, dir, args...)
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// bench is a folder with both hierarchies and what they issued, as files.
func bench(t *testing.T) (dir string, e2m, e2e hierarchy) {
	t.Helper()
	dir = t.TempDir()
	e2m, e2e = newHierarchy(t, E2M), newHierarchy(t, E2E)
	for name, h := range map[string]hierarchy{"e2m": e2m, "e2e": e2e} {
		writePEM(t, filepath.Join(dir, name+"-root.crt"), h.root.chain)
		writePEM(t, filepath.Join(dir, name+"-issuing.crt"), h.issuing.chain)
		var crls []byte
		for _, f := range h.crlFiles {
			crls = append(crls, must(os.ReadFile(f))(t)...)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".crl"), crls, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save := func(name string, id *Identity) {
		if err := id.Save(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")); err != nil {
			t.Fatal(err)
		}
	}
	grants := []rbac.Grant{rbac.DefaultPolicy().NewGrant(rbac.Operator, "PV*")}
	save("server", must(e2m.issuing.IssueServer("site.example"))(t))
	save("client", must(e2m.issuing.IssueClientTLS("zähler@site.example"))(t))
	save("e2e", must(e2e.issuing.IssueE2E("op@site.example", grants))(t))
	return dir, e2m, e2e
}

func writePEM(t *testing.T, file string, certs []*x509.Certificate) {
	t.Helper()
	if err := os.WriteFile(file, encodeCertificates(certs), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSSLVerifiesWhatWeIssue(t *testing.T) {
	dir, e2m, _ := bench(t)
	args := func(h string, rest ...string) []string {
		return append([]string{"verify", "-x509_strict", "-crl_check_all", "-CAfile", h + "-root.crt", "-untrusted", h + "-issuing.crt", "-CRLfile", h + ".crl"}, rest...)
	}
	cases := []struct {
		name string
		args []string
		want string // of the output; "" is success
	}{
		{"server", args("e2m", "-purpose", "sslserver", "-verify_hostname", "site.example", "server.crt"), ""},
		{"server as a client of other servers", args("e2m", "-purpose", "sslclient", "server.crt"), ""},
		{"client", args("e2m", "-purpose", "sslclient", "client.crt"), ""},
		{"E2E", args("e2e", "e2e.crt"), ""},
		{"client as a server", args("e2m", "-purpose", "sslserver", "client.crt"), "unsuitable certificate purpose"},
		{"server of another name", args("e2m", "-verify_hostname", "other.example", "server.crt"), "hostname mismatch"},
		{"E2E below the E2M root", args("e2m", "e2e.crt"), "unable to get local issuer certificate"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, err := openssl(t, dir, c.args...)
			if (err == nil) != (c.want == "") || !strings.Contains(out, c.want) {
				t.Errorf("openssl %s: %v, want %q\n%s", strings.Join(c.args, " "), err, c.want, out)
			}
		})
	}
	t.Run("revoked", func(t *testing.T) {
		client := must(loadCertificates(filepath.Join(dir, "client.crt")))(t)[0]
		if err := e2m.issuing.WriteCRL(e2m.crlFiles[1], client.SerialNumber); err != nil {
			t.Fatal(err)
		}
		both := append(must(os.ReadFile(e2m.crlFiles[0]))(t), must(os.ReadFile(e2m.crlFiles[1]))(t)...)
		if err := os.WriteFile(filepath.Join(dir, "e2m.crl"), both, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := openssl(t, dir, args("e2m", "client.crt")...)
		if err == nil || !strings.Contains(out, "certificate revoked") {
			t.Errorf("openssl verify: %v\n%s", err, out)
		}
		text := mustOpenssl(t, dir, "crl", "-in", e2m.crlFiles[1], "-noout", "-text", "-CAfile", "e2m-issuing.crt")
		serial := strings.ToUpper(fmt.Sprintf("%032x", client.SerialNumber))
		for _, want := range []string{"verify OK", "Serial Number: " + serial, "CRL Number:"} {
			if !strings.Contains(strings.ReplaceAll(text, "X509v3 ", ""), want) {
				t.Errorf("%q is missing in\n%s", want, text)
			}
		}
	})
}

func TestOpenSSLReadsWhatWeWrite(t *testing.T) {
	dir, _, _ := bench(t)
	for name, wants := range map[string][]string{
		"server": {"DNS:site.example", "othername: SRVName:_xmpp-client.site.example", "othername: SRVName:_xmpp-server.site.example",
			"TLS Web Server Authentication, TLS Web Client Authentication", "CA:FALSE"},
		"client":      {"othername: XmppAddr:z", "TLS Web Client Authentication", "Digital Signature"},
		"e2e":         {"othername: XmppAddr:op@site.example", "Digital Signature, Key Agreement", "1.0.62351.8.1"},
		"e2m-issuing": {"CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign"},
		"e2e-root":    {"CA:TRUE, pathlen:1"},
	} {
		text := mustOpenssl(t, dir, "x509", "-in", name+".crt", "-noout", "-text")
		text = strings.ReplaceAll(text, "::", ":") // releases differ in it
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, text)
			}
		}
		if name == "e2e" && strings.Contains(text, "Extended Key Usage") {
			t.Errorf("the E2E certificate has an extended key usage:\n%s", text)
		}
	}
	for _, name := range []string{"server", "client", "e2e"} {
		mustOpenssl(t, dir, "pkey", "-in", name+".key", "-noout", "-check")
	}
	der := must(marshalRoles([]rbac.Grant{rbac.DefaultPolicy().NewGrant(rbac.Operator, "PV*")}))(t)
	file := filepath.Join(dir, "roles.der")
	if err := os.WriteFile(file, der, 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(mustOpenssl(t, dir, "asn1parse", "-inform", "DER", "-in", file)), "\n") {
		_, line, _ = strings.Cut(line, "prim:")
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			got = append(got, line)
		}
	}
	if d := cmp.Diff([]string{"INTEGER :01", "UTF8STRING :PV*", "INTEGER :01", "UTF8STRING :IEC62351-8"}, got); d != "" {
		t.Errorf("roles (-want +got):\n%s", d)
	}
}

// A CA of another make, with keys of both kinds. The client's certificate has
// its name as the only one, in a critical extension, and no subject.
const opensslConfig = `
[ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[client]
basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth
subjectAltName=critical,@clientnames
[clientnames]
otherName.1=1.3.6.1.5.5.7.8.5;UTF8:ied1@site.example
[server]
basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=@servernames
[servernames]
DNS.1=other.example
otherName.1=1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-client.site.example
[e2e]
keyUsage=digitalSignature,keyAgreement
subjectAltName=@clientnames
1.2.840.10070.8.1=DER:30:27:30:25:30:04:02:02:00:FF:0C:0A:4F:75:74:73:74:61:74:69:6F:6E:02:02:00:FF:0C:0A:49:45:43:36:32:33:35:31:2D:38:0A:01:03
[req]
distinguished_name=dn
[dn]
[authority]
database=index.txt
default_md=sha384
default_crl_days=1
crlnumber=crlnumber
`

func TestWeVerifyWhatOpenSSLIssues(t *testing.T) {
	for name, newkey := range map[string][]string{
		"P-256":    {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"},
		"P-384":    {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"},
		"RSA 2048": {"-newkey", "rsa:2048"},
		"RSA-PSS":  {"-newkey", "rsa:2048", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range map[string]string{"x.cnf": opensslConfig, "index.txt": "", "crlnumber": "1000\n"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			req := func(args ...string) {
				t.Helper()
				mustOpenssl(t, dir, append(append([]string{"req", "-x509", "-config", "x.cnf", "-nodes", "-sha256", "-days", "2"}, newkey...), args...)...)
			}
			req("-subj", "/O=Other make/CN=CA", "-extensions", "ca", "-keyout", "ca.key", "-out", "ca.crt")
			for _, end := range []string{"client", "server", "e2e"} {
				subject := "/"
				if end != "client" {
					subject = "/CN=" + end
				}
				req("-subj", subject, "-extensions", end, "-keyout", end+".key", "-out", end+".crt", "-CA", "ca.crt", "-CAkey", "ca.key")
			}
			mustOpenssl(t, dir, "ca", "-config", "x.cnf", "-name", "authority", "-gencrl", "-cert", "ca.crt", "-keyfile", "ca.key", "-out", "ca.crl")
			at := func(file string) string { return filepath.Join(dir, file) }
			trust := must(LoadTrust([]string{at("ca.crt")}, []string{at("ca.crl")}))(t)

			client := must(LoadIdentity(at("client.crt"), at("client.key")))(t)
			v := must(trust.VerifyClient(client.Chain, time.Now()))(t)
			if d := cmp.Diff([]string{"ied1@site.example"}, v.XMPPAddrs()); d != "" || len(v.Warnings()) > 0 {
				t.Errorf("warnings %v; client's names (-want +got):\n%s", v.Warnings(), d)
			}
			server := must(LoadIdentity(at("server.crt"), at("server.key")))(t)
			must(trust.VerifyServer(server.Chain, "site.example", time.Now()))(t)
			v = must(trust.VerifyE2E(must(LoadIdentity(at("e2e.crt"), at("e2e.key")))(t).Chain, time.Now()))(t)
			if g := v.Grants(); len(g) != 1 || g[0].Role != 255 || g[0].AOR != "Outstation" {
				t.Errorf("grants %+v, want those of the sample", g)
			}
			mustOpenssl(t, dir, "ca", "-config", "x.cnf", "-name", "authority", "-revoke", "client.crt", "-cert", "ca.crt", "-keyfile", "ca.key")
			mustOpenssl(t, dir, "ca", "-config", "x.cnf", "-name", "authority", "-gencrl", "-cert", "ca.crt", "-keyfile", "ca.key", "-out", "ca.crl")
			if err := trust.Refresh(); err != nil {
				t.Fatal(err)
			}
			v, err := trust.VerifyClient(client.Chain, time.Now())
			wantRefusal(t, v, err, RuleRevoked, audit.CertificateRevoked)
		})
	}
}

// serve runs openssl s_client against our server and returns what it prints
// and the server's error.
func serve(t *testing.T, dir string, cfg *tls.Config, args ...string) (string, error) {
	t.Helper()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	result := make(chan error, 1)
	go func() {
		nc, err := listener.Accept()
		if err != nil {
			result <- err
			return
		}
		defer nc.Close()
		result <- tls.Server(nc, cfg).Handshake()
	}()
	out, _ := openssl(t, dir, append([]string{"s_client", "-connect", listener.Addr().String(), "-CAfile", "e2m-root.crt", "-cert", "client.crt", "-key", "client.key"}, args...)...)
	return out, <-result
}

func TestOpenSSLConnectsByTheProfileOnly(t *testing.T) {
	dir, _, _ := bench(t)
	id := must(LoadIdentity(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")))(t)
	cases := []struct {
		name string
		args []string
		want string // in the output, of a connection that succeeds
	}{
		{"TLS 1.3", []string{"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}, "TLS_AES_256_GCM_SHA384"},
		{"TLS 1.2", []string{"-tls1_2"}, "ECDHE-ECDSA-AES"},
		{"M9 TLS 1.3 with ChaCha20", []string{"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, ""},
		{"M9 TLS 1.2 with ChaCha20", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"}, ""},
		{"M9 TLS 1.2 with CBC", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"}, ""},
		{"M9 TLS 1.1", []string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, ""},
		{"M9 TLS 1.0", []string{"-tls1", "-cipher", "ALL:@SECLEVEL=0"}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, err := serve(t, dir, ServerTLS(id), c.args...)
			switch {
			case c.want == "" && err == nil:
				t.Errorf("the server accepted\n%s", out)
			case c.want != "" && (err != nil || !strings.Contains(out, c.want) || !strings.Contains(out, "Verify return code: 0 (ok)")):
				t.Errorf("server: %v, want %q\n%s", err, c.want, out)
			case strings.Contains(out, "New Session Ticket arrived"):
				t.Errorf("the server gave a session ticket\n%s", out)
			}
		})
	}
}

func TestOpenSSLReadsOurKeysAsTheSameKey(t *testing.T) {
	dir, _, _ := bench(t)
	block, _ := pem.Decode([]byte(mustOpenssl(t, dir, "pkey", "-in", "e2e.key", "-pubout")))
	id := must(LoadIdentity(filepath.Join(dir, "e2e.crt"), filepath.Join(dir, "e2e.key")))(t)
	if block == nil || !bytes.Equal(block.Bytes, id.Chain[0].RawSubjectPublicKeyInfo) {
		t.Error("the public key differs")
	}
}

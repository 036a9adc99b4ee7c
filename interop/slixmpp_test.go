//go:build interop

package interop_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"

	"github.com/google/go-cmp/cmp"
)

// TestSlixmppOnOurBroker lets slixmpp log in by certificate and exchange stanzas with our client through our broker.
func TestSlixmppOnOurBroker(t *testing.T) {
	python := slixmppPython(t)
	const domain = "dso.example"
	dir := t.TempDir()
	root, err := pki.NewRoot(pki.E2M, domain)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := root.NewIssuing()
	if err != nil {
		t.Fatal(err)
	}
	anchors := filepath.Join(dir, "root.crt")
	if err := os.WriteFile(anchors, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	trust, err := pki.NewTrust([]*x509.Certificate{root.Certificate()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	must := func(id *pki.Identity, err error) *pki.Identity {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}

	hmi, pv1 := jid.MustParse("hmi@dso.example/slix"), jid.MustParse("pv1@dso.example/IEC")
	server, err := xmppd.New(xmppd.Config{Domain: domain, Identity: must(ca.IssueServer(domain)), Trust: trust,
		Groups: []xmppd.Group{{Name: "plant", Members: []jid.JID{hmi.Bare(), pv1.Bare()}}}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	asked := make(chan stanza.Stanza, 10)
	var session *xmpp.Session
	dialled := make(chan struct{})
	session, err = xmpp.Dial(ctx, xmpp.Config{JID: pv1, Address: l.Addr().String(), Trust: trust, Identity: must(ca.IssueClientTLS(pv1.Bare().String())),
		Handler: func(s stanza.Stanza) {
			<-dialled
			if s.Kind == stanza.IQ {
				asked <- s
				session.Send(ctx, s.Reply([]byte("<r xmlns='urn:busbar:test'>üç &lt;</r>")))
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	close(dialled)
	defer session.Close()
	if err := session.InitialPresence(ctx); err != nil {
		t.Fatal(err)
	}

	cert, key := filepath.Join(dir, "hmi.crt"), filepath.Join(dir, "hmi.key")
	if err := must(ca.IssueClientTLS(hmi.Bare().String())).Save(cert, key); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	cmd := exec.CommandContext(ctx, python, filepath.Join("testdata", "slixmpp_client.py"), hmi.String(), host, port, anchors, cert, key, pv1.String())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("slixmpp: %v", err)
	}
	want := []string{
		"bound hmi@dso.example/slix",
		"roster pv1@dso.example",
		"ping",
		"identity ('server', 'im')",
		"answer pv1@dso.example/IEC {urn:busbar:test}r üç <",
		"absent service-unavailable",
		"online pv1@dso.example/IEC",
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, line := range got { // presence comes when it comes
		if strings.HasPrefix(line, "online ") {
			got = append(append(got[:i:i], got[i+1:]...), line)
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("slixmpp printed (-want +got)\n%s%s", diff, stderr.String())
	}
	select {
	case s := <-asked:
		if s.From != hmi || s.Type != stanza.Get || !strings.Contains(string(s.Payload), "1 &lt; 2 &amp; ü") {
			t.Errorf("our client was asked %q", s.Append(nil))
		}
	default:
		t.Error("our client was asked nothing")
	}
}

// slixmppPython returns a Python that has slixmpp.
func slixmppPython(t *testing.T) string {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import slixmpp").Run() == nil {
			return python
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("slixmpp is missing: install the package python3-slixmpp")
	}
	t.Skip("slixmpp is missing: install the package python3-slixmpp")
	return ""
}

package xmppd_test

import (
	"context"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/xmpp/xmppd"
)

// TestKeysOfTLSAreUpdated lets a client of another make ask for new keys when the broker has long written nothing: what was
// the time limit of its last write must not be that of its answer.
//
// RFC 8446, Section 4.6.3.
func TestKeysOfTLSAreUpdated(t *testing.T) {
	openssl := findOpenSSL(t)
	ca := newCA(t)
	server, err := xmppd.New(xmppd.Config{Domain: domain, Trust: ca.trust(), Live: xmppd.Live{Identity: ca.serverIdentity()}, WriteTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	address := onLoopback(t, server)
	dir := t.TempDir()
	root, cert, key := filepath.Join(dir, "root.crt"), filepath.Join(dir, "hmi.crt"), filepath.Join(dir, "hmi.key")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.root.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ca.clientIdentity("hmi@"+domain).Save(cert, key); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, openssl, "s_client", "-connect", address, "-starttls", "xmpp", "-xmpphost", domain,
		"-tls1_3", "-CAfile", root, "-cert", cert, "-key", key, "-cert_chain", cert)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, writes := io.Pipe()
	cmd.Stdout, cmd.Stderr = writes, writes
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		writes.Close()
	}()
	defer func() {
		cancel()
		out.Close()
		<-ended
	}()
	seen := ""
	until := func(s string) {
		t.Helper()
		for b := make([]byte, 4096); ; {
			if _, after, ok := strings.Cut(seen, s); ok {
				seen = after
				return
			}
			n, err := out.Read(b)
			seen += string(b[:n])
			if err != nil {
				t.Fatalf("it said %q, then %v; want %q", seen, err, s)
			}
		}
	}
	const header = "<stream:stream to='" + domain + "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	for _, step := range []struct{ say, wait string }{
		{header, "</stream:features>"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>", "<success"},
		{header, "</stream:features>"},
		{"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "<jid>"},
		{"<iq type='get' id='p1'><ping xmlns='urn:xmpp:ping'/></iq>", "p1"},
	} {
		io.WriteString(in, step.say)
		until(step.wait)
	}
	for _, id := range []string{"p2", "p3"} {
		<-time.After(200 * time.Millisecond) // longer than the time limit of a write
		io.WriteString(in, "K")              // which has s_client ask for new keys on both sides
		until("KEYUPDATE")
		io.WriteString(in, "<iq type='get' id='"+id+"'><ping xmlns='urn:xmpp:ping'/></iq>")
		until(id)
	}
}

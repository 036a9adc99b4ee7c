//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/internal/testbed"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"busbar.example/xmpp/jid"
)

// TestXmllintAcceptsWhatWeEmit shows xmllint the streams, the stanzas of the broker and the security PDUs that the golden
// files hold; all stanzas of a client and an IED that browse, read, write, fail and part; all that passes between a client and the broker in
// each mode, between two brokers, and what a trace and an extract of SCL show. What is in a stanza is in one document with it. The PDUs
// of MMS on their own are in package mms. What is emitted in a namespace that none of this has makes it fail.
func TestXmllintAcceptsWhatWeEmit(t *testing.T) {
	if _, err := exec.LookPath("xmllint"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("xmllint is missing: install the package libxml2-utils")
		}
		t.Skip("xmllint is missing: install the package libxml2-utils")
	}
	var all []string
	for _, c := range []struct {
		name      string
		documents []string
		least     int
	}{
		{"streams", scripted(t, "../xmpp/testdata/negotiate/*.txt", streams), 60},
		{"stanzas of the broker", scripted(t, "../xmpp/xmppd/testdata/*.txt", delivered), 100},
		{"security PDUs", scripted(t, "../testdata/e2e/*.txt", securityPDUs), 15},
		{"a conversation", conversation(t), 60},
		{"streams, encrypted", watched(t, testbed.Encrypted, true), 60},
		{"streams, clear", watched(t, testbed.Clear, false), 60},
		{"streams, off", watched(t, testbed.Off, false), 60},
		{"streams of brokers", brokers(t), 15},
		{"SCL", extracts(t), 8},
	} {
		all = append(all, c.documents...)
		t.Run(c.name, func(t *testing.T) {
			if len(c.documents) < c.least {
				t.Errorf("got %d documents, want %d at least", len(c.documents), c.least)
			}
			lint(t, c.documents)
		})
	}
	checkNamespaces(t, all)
}

// lint shows all documents to one xmllint.
func lint(t *testing.T, documents []string) {
	dir := t.TempDir()
	args := []string{"--noout", "--nonet"}
	for i, d := range documents {
		file := filepath.Join(dir, fmt.Sprint(i, ".xml"))
		if err := os.WriteFile(file, []byte(d), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	if out, err := exec.Command("xmllint", args...).CombinedOutput(); err != nil {
		t.Errorf("xmllint refuses it: %v\n%s", err, out)
	}
}

// scripted takes documents out of golden files.
func scripted(t *testing.T, pattern string, take func(script string) []string) (documents []string) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, take(string(b))...)
	}
	return documents
}

// streams takes what one end sends: each stream is a document, which the next one, or the end of the script, cuts off.
func streams(script string) (documents []string) {
	var sent strings.Builder
	for line := range strings.Lines(script) {
		if octets, ok := strings.CutPrefix(line, "> "); ok {
			sent.WriteString(strings.TrimSuffix(octets, "\n"))
		}
	}
	return cutStreams(sent.String())
}

var delivery = regexp.MustCompile(`(?m)^ +\S+ (<.*>)$`)

// delivered takes the stanzas that the broker delivers.
func delivered(script string) (documents []string) {
	for _, m := range delivery.FindAllStringSubmatch(script, -1) {
		if !strings.HasPrefix(m[1], "<?xml") && !strings.HasPrefix(m[1], "</") && !strings.HasSuffix(m[1], "<nil>") {
			documents = append(documents, "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"+m[1]+"</stream:stream>")
		}
	}
	return documents
}

var securityPDU = regexp.MustCompile(`(?m)^<[A-Z]\w* xmlns='.*>$`)

func securityPDUs(vector string) []string { return securityPDU.FindAllString(vector, -1) }

// conversation is the stanzas that the broker reads from a client and an IED.
func conversation(t *testing.T) []string {
	var mu sync.Mutex
	var documents []string
	bed := testbed.Start(t, testbed.Options{Listener: testbed.NewListener(), Tap: func(_ jid.JID, start, payload []byte) {
		mu.Lock()
		defer mu.Unlock()
		end := ""
		if !bytes.HasSuffix(start, []byte("/>")) {
			name, _, _ := bytes.Cut(bytes.TrimSuffix(start[1:], []byte(">")), []byte(" "))
			end = fmt.Sprintf("</%s>", name)
		}
		documents = append(documents, fmt.Sprintf("<stream xmlns='jabber:client'>%s%s%s</stream>", start, payload, end))
	}})
	bed.IED("pv1", pv(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, role := range []rbac.Role{rbac.Engineer, rbac.Viewer} {
		use(t, ctx, bed.Associate(role.String(), "pv1", role), func() {})
	}
	mu.Lock()
	defer mu.Unlock()
	return documents
}

// use browses, reads, writes, is refused, has something done in between, and parts.
func use(t *testing.T, ctx context.Context, c *mmsmap.Client, between func()) {
	t.Helper()
	if err := client.New(c).Walk(ctx, acsi.Ref{}, func(client.Object) error { return nil }); err != nil {
		t.Fatal(err)
	}
	between()
	c.SetDataValues(ctx, []acsi.Assignment{
		{Ref: acsi.MustRef("PV1LD0/DGEN1.WMax.setMag.f[SP]"), Value: value.Float(80)},
		{Ref: acsi.MustRef("PV1LD0/LLN0.NamPlt.vendor[DC]"), Value: value.Visible("<&>\"'")},
	})
	c.GetDataValues(ctx, []acsi.Ref{acsi.MustRef("PV1LD0/NONE1.None[MX]")})
	if err := c.Release(ctx); err != nil {
		t.Fatal(err)
	}
}

// pv is the model of the demo's photovoltaic plant.
func pv(t *testing.T) *acsi.Model {
	t.Helper()
	return testbed.Model(t, "../app/demo/scl/pv.cid")
}

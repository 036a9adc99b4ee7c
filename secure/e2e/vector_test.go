package e2e

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what testdata/e2e lacks, with new keys")

const vectorDir = "../../testdata/e2e"

// A vector is a text file: a header that says what it is, what to expect, and which clause it
// proves; then sections, whose names are in the order of their coming. Octets are XML or hex.
type vector struct {
	what, expect, clause string
	names                []string
	sections             map[string]string
}

func (v *vector) put(name, content string) {
	if v.sections == nil {
		v.sections = map[string]string{}
	}
	v.names = append(v.names, name)
	v.sections[name] = content
}

func (v *vector) hex(name string, octets []byte) { v.put(name, hex.EncodeToString(octets)) }

func (v *vector) get(t testing.TB, name string) string {
	t.Helper()
	s, ok := v.sections[name]
	if !ok {
		t.Fatalf("there is no section %q", name)
	}
	return s
}

func (v *vector) octets(t testing.TB, name string) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.get(t, name))
	if err != nil {
		t.Fatalf("section %q: %v", name, err)
	}
	return b
}

func (v *vector) time(t testing.TB) time.Time {
	t.Helper()
	now, err := time.Parse(time.RFC3339Nano, v.get(t, "now"))
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func (v *vector) write(t *testing.T, name string) {
	if _, err := os.Stat(filepath.Join(vectorDir, name)); err == nil {
		return
	}
	if err := os.MkdirAll(vectorDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(vectorDir, name), v.text(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// text is what the file holds.
func (v *vector) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "what: %s\nexpect: %s\nclause: %s\n", v.what, v.expect, v.clause)
	for _, n := range v.names {
		fmt.Fprintf(&b, "\n-- %s --\n%s\n", n, v.sections[n])
	}
	return b.Bytes()
}

func readVector(t testing.TB, file string) *vector {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(text), "\n\n-- ")
	v := &vector{}
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "what":
			v.what = value
		case "expect":
			v.expect = value
		case "clause":
			v.clause = value
		}
	}
	if v.what == "" || v.expect == "" || v.clause == "" {
		t.Fatalf("%s: the header is not complete", file)
	}
	for part := range strings.SplitSeq(rest, "\n\n-- ") {
		name, content, ok := strings.Cut(part, " --\n")
		if !ok {
			t.Fatalf("%s: a section without a name: %q", file, part)
		}
		v.put(name, strings.TrimSuffix(content, "\n"))
	}
	return v
}

func pemOf(cert *x509.Certificate) string {
	return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})))
}

func (v *vector) certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(v.get(t, name) + "\n"))
	if block == nil {
		t.Fatalf("section %q is no PEM", name)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// holds checks that each section of got is one of v.
func (v *vector) holds(t testing.TB, got *vector) {
	t.Helper()
	for _, name := range got.names {
		if want := v.get(t, name); got.sections[name] != want {
			t.Errorf("%s is %s, want %s", name, got.sections[name], want)
		}
	}
}

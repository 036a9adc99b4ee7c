package mms

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Other people's parsers judge what we emit.

func TestXERIsXMLToXmllint(t *testing.T) {
	xmllint := judge(t, "xmllint", "libxml2-utils")
	dir, args := t.TempDir(), []string{"--noout"}
	for i, c := range someBER(t) {
		p, err := DecodeBER(c.ber, wide)
		if err != nil {
			t.Fatal(err)
		}
		x, err := AppendXER(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, fmt.Sprint(i, ".xml"))
		if err := os.WriteFile(file, x, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	ask(t, "vectors and random PDUs", nil, xmllint, args...)
}

func TestBERIsASN1ToOpenSSL(t *testing.T) {
	openssl := judge(t, "openssl", "openssl")
	for _, v := range valid(t) {
		ask(t, v["what"], v.octets(t, "ber"), openssl, "asn1parse", "-inform", "DER")
	}
}

// judge finds a program that the Debian package provides.
func judge(t *testing.T, program, debian string) string {
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: install the package %s", program, debian)
	}
	t.Skipf("%s is missing: install the package %s", program, debian)
	return ""
}

func ask(t *testing.T, what string, input []byte, program string, args ...string) {
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %s refuses it: %v\n%s\nof %q", what, program, err, out, input)
	}
}

// valid is the vectors that hold what we emit.
func valid(t testing.TB) (vectors []vector) {
	for _, v := range allVectors(t) {
		if v["expect"] == "valid" {
			vectors = append(vectors, v)
		}
	}
	return vectors
}

package mms

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// Other people's parsers judge what we emit.

func TestXERIsXMLToXmllint(t *testing.T) {
	xmllint := judge(t, "xmllint", "libxml2-utils")
	for _, v := range valid(t) {
		ask(t, v["what"], []byte(v["xer"]), xmllint, "--noout", "-")
	}
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
func valid(t *testing.T) (vectors []vector) {
	for _, v := range allVectors(t) {
		if v["expect"] == "valid" {
			vectors = append(vectors, v)
		}
	}
	return vectors
}

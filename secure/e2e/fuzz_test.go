package e2e

import (
	"bytes"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"busbar.example/internal/asn1/xer"
)

// FuzzSecPDU gives octets to every place that reads them. What is taken must be what a genuine peer
// has sent, in whatever spelling; and what decodes must survive being encoded again.
func FuzzSecPDU(f *testing.F) {
	list := targets(newWorld(f))
	genuine := map[string]bool{}
	for _, a := range []Algorithm{AES128CBC, HMACSHA256, AES256GMAC} {
		w := newWorld(f)
		w.use(a)
		for _, g := range targets(w) {
			if g.data {
				list = append(list, g)
			}
		}
	}
	for _, g := range list {
		genuine[string(canonical(g.octets))] = true
		f.Add(g.octets)
	}
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.txt"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		v := readVector(f, file)
		for _, name := range v.names {
			if s := v.sections[name]; len(s) > 0 && s[0] == '<' {
				f.Add([]byte(s))
			}
		}
	}
	f.Add([]byte("<ClearTransfer xmlns='" + Namespace + "'><tbp><token2><assoID>17:934</assoID><time>20261122165100,505Z</time><seq>1</seq>" +
		"<iv>AAAA</iv><rekey><dhGroup>23</dhGroup><dhPublicKey>BA==</dhPublicKey></rekey><reqRekey>true</reqRekey></token2><applData>" + appData +
		"</applData></tbp><auth><nonce>AA==</nonce><algorithm><algorithm>1.2.3</algorithm></algorithm><icv>AAAA</icv></auth></ClearTransfer>"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		r, err := receive(nil, octets, maxHandshakeSize)
		everywhere := list
		if err != nil {
			everywhere = list[:1] // all begin with receive
		}
		c := canonical(octets)
		for _, g := range everywhere {
			got, err := g.open(octets)
			var r *Refusal
			if err == nil && !genuine[string(c)] {
				t.Fatalf("%s: taken as %q: %q", g.name, got, octets)
			}
			if err != nil && !errors.As(err, &r) && !errors.Is(err, net.ErrClosed) {
				t.Fatalf("%s: %v", g.name, err)
			}
		}
		if err != nil {
			return
		}
		if !bytes.Equal(canonical(r.canonical), r.canonical) {
			t.Fatalf("the canonical form is not its own: %q", r.canonical)
		}
		again, err := xer.Append(nil, secPDUType, Namespace, r.pdu)
		if err != nil {
			t.Fatalf("%q decodes and does not encode: %v", octets, err)
		}
		back, err := receive(nil, again, maxHandshakeSize)
		if err != nil {
			t.Fatalf("%q does not decode again: %v", again, err)
		}
		if once, err := xer.Append(nil, secPDUType, Namespace, back.pdu); err != nil || !bytes.Equal(once, again) {
			t.Fatalf("got %q, want %q", once, again)
		}
	})
}

package e2e

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPlainTransferIsReadWithoutTheCodec: what Seal writes, unless it is about keys.
func TestPlainTransferIsReadWithoutTheCodec(t *testing.T) {
	w := newWorld(t)
	client, server := w.aged()
	rekey := w.send(client, server, appData)
	changed := w.send(server, client, appData)
	plain := w.send(client, server, appData)
	for _, tt := range []struct {
		name   string
		octets []byte
		want   bool
	}{
		{"data", plain, true},
		{"rekey", rekey, false},
		{"changedKey", changed, false},
		{"other quotes", bytes.ReplaceAll(plain, []byte("'"), []byte(`"`)), false},
		{"white space", change(t, plain, "<time>", " <time>"), false},
		{"a line in base64", change(t, plain, "</applData>", "\n</applData>"), false},
		{"a leading zero", change(t, plain, "<seq>", "<seq>0"), false},
		{"a number too large", change(t, plain, "<seq>", "<seq>4294967296"), false},
		{"no number", change(t, plain, "<seq>1</seq>", "<seq></seq>"), false},
		{"a reference", change(t, plain, "<assoID>1", "<assoID>&#49;"), false},
		{"something behind", append(bytes.Clone(plain), ' '), false},
		{"cut off", plain[:len(plain)-1], false},
		{"nothing", nil, false},
	} {
		if _, ok := readEncrTransfer(tt.octets); ok != tt.want {
			t.Errorf("%s: read %v, want %v: %s", tt.name, ok, tt.want, tt.octets)
		}
	}
}

// FuzzEncrTransfer compares the two ways of reading an EncrTransfer: the short one takes nothing
// that the other would not, and makes the same of it.
func FuzzEncrTransfer(f *testing.F) {
	w := newWorld(f)
	client, server := w.associate()
	f.Add(w.send(client, server, appData))
	f.Add(w.send(server, client, ""))
	f.Add([]byte(encrStart + "<token2><assoID>1:</assoID><time>,</time><seq>0</seq><iv>AAAA</iv></token2><applData>AAAA</applData></tbp></EncrTransfer>"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		got, ok := readEncrTransfer(octets)
		if !ok {
			return
		}
		r, err := receive(nil, octets, maxTransferSize)
		if err != nil {
			t.Fatalf("the codec refuses %q: %v", octets, err)
		}
		if !bytes.Equal(r.canonical, octets) {
			t.Fatalf("it is not canonical: %q", octets)
		}
		want, _ := r.transfer()
		if d := cmp.Diff(want.token, got.token); d != "" || want.mode != got.mode || want.auth != got.auth ||
			!bytes.Equal(want.data, got.data) || !bytes.Equal(want.token2, got.token2) {
			t.Fatalf("got %+v, want %+v of %q\n%s", got, want, octets, d)
		}
	})
}

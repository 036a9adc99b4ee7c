package e2e

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/internal/asn1/xer"
)

// TestPlainTransferIsReadWithoutTheCodec: what Seal writes, unless it is about keys.
func TestPlainTransferIsReadWithoutTheCodec(t *testing.T) {
	eachAlgorithm(t, testPlainTransferIsReadWithoutTheCodec)
}

func testPlainTransferIsReadWithoutTheCodec(t *testing.T, newWorld func(testing.TB) *world) {
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
		{"a line at the end", change(t, plain, "</applData>", "\n</applData>"), false},
		{"no data", change(t, plain, string(plain[bytes.Index(plain, []byte("<applData>")):bytes.Index(plain, []byte("</applData>"))]), "<applData>"), false},
		{"a leading zero", change(t, plain, "<seq>", "<seq>0"), false},
		{"a number too large", change(t, plain, "<seq>", "<seq>4294967296"), false},
		{"no number", change(t, plain, "<seq>1</seq>", "<seq></seq>"), false},
		{"no UTF-8", change(t, plain, "=</", "\x98</"), false},
		{"a reference", change(t, plain, "<assoID>1", "<assoID>&#49;"), false},
		{"something behind", append(bytes.Clone(plain), ' '), false},
		{"cut off", plain[:len(plain)-1], false},
		{"something after the data", change(t, plain, "</applData>", "</applData><x/>"), false},
		{"nothing", nil, false},
		{"too large", append([]byte(encrStart), make([]byte, maxTransferSize)...), false},
	} {
		if _, ok := server.readTransfer(tt.octets); ok != tt.want {
			t.Errorf("%s: read %v, want %v: %s", tt.name, ok, tt.want, tt.octets)
		}
	}
}

// TestNestingThatIsSealedIsOpened: and what is deeper is refused, before the association is lost.
func TestNestingThatIsSealedIsOpened(t *testing.T) {
	w := newWorld(t)
	w.use(HMACSHA256)
	client, server := w.associate()
	deep := func(n int) string {
		return "<a xmlns='urn:x'>" + strings.Repeat("<a>", n-1) + "1" + strings.Repeat("</a>", n)
	}
	if octets, err := client.Seal(nil, w.now, []byte(deep(maxApplDepth+1))); err == nil {
		t.Errorf("sealed %s", octets)
	}
	octets := w.send(client, server, deep(maxApplDepth))
	w.refusedBy(server, change(t, octets, "<time>", " <time>"), w.ids().replay) // the codec takes it, too
}

// FuzzTransfer compares the two ways of reading a data PDU: the short one takes nothing that the
// other would not, and makes the same of it.
func FuzzTransfer(f *testing.F) {
	var channels []*Channel
	for _, a := range []Algorithm{AES256GCM, AES256CBC, HMACSHA256, AES256GMAC} {
		w := newWorld(f)
		w.use(a)
		client, server := w.associate()
		channels = append(channels, server)
		f.Add(w.send(client, server, appData))
		f.Add(w.send(server, client, "<a xmlns='urn:x'><applData b='c'>1</applData></a>"))
	}
	f.Add([]byte(encrStart + "<token2><assoID>1:</assoID><time>,</time><seq>0</seq><iv>AAAA</iv></token2><applData>AAAA</applData></tbp></EncrTransfer>"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		for _, c := range channels {
			got, ok := c.readTransfer(octets)
			if !ok {
				continue
			}
			r, err := receive(nil, octets, maxTransferSize)
			if err != nil {
				t.Fatalf("%v: the codec refuses %q: %v", c.suite, octets, err)
			}
			if !bytes.Equal(r.canonical, octets) {
				t.Fatalf("%v: it is not canonical: %q", c.suite, octets)
			}
			want, _ := r.transfer()
			if d := cmp.Diff(want.token, got.token) + cmp.Diff(want.auth, got.auth); d != "" || want.mode != got.mode ||
				!bytes.Equal(want.data, got.data) || !bytes.Equal(want.tbp, got.tbp) || !bytes.Equal(want.token2, got.token2) {
				t.Fatalf("%v: got %+v, want %+v of %q\n%s", c.suite, got, want, octets, d)
			}
		}
	})
}

// TestPlainTokenIsWrittenAsTheCodecDoes: for every time, number and nonce.
func TestPlainTokenIsWrittenAsTheCodecDoes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		iv := make([]byte, rng.IntN(17))
		for i := range iv {
			iv[i] = byte(rng.Uint32())
		}
		at := time.UnixMilli(rng.Int64N(253402300800000)).UTC() // until the year 9999
		token := ClearToken2{AssoID: "17:934", Time: timestamp(at), Seq: rng.Uint32() >> rng.IntN(32), IV: iv}
		if len(iv) == 0 {
			token.IV = nil
		}
		want, err := xer.AppendContent(nil, token2Type, &token)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendToken2(nil, token.AssoID, at, token.Seq, iv); !bytes.Equal(got, want) {
			t.Fatalf("token %+v:\n got %s\nwant %s", token, got, want)
		}
	}
}

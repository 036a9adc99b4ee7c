package e2e

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"busbar.example/internal/asn1/xer"
	"busbar.example/secure/audit"
)

// altered decodes a data PDU, lets the test change it, and encodes it again.
func (w *world) altered(octets []byte, edit func(*transfer)) []byte {
	w.t.Helper()
	r, err := receive(nil, octets, maxTransferSize)
	check(w, err)
	x, _ := r.transfer()
	edit(&x)
	switch p := r.pdu.(type) {
	case *EncrTransfer:
		p.TBP.ApplData, p.Auth = x.data, x.auth
	case *ClearTransfer:
		p.TBP.ApplData = x.data
		if x.auth == nil {
			w.t.Skip("the element is not optional")
		}
	}
	octets, err = xer.Append(nil, secPDUType, Namespace, r.pdu)
	check(w, err)
	return octets
}

// TestTransferHasWhatItsAlgorithmNeeds: and nothing else. The ICV is not even looked at.
func TestTransferHasWhatItsAlgorithmNeeds(t *testing.T) {
	hmac := Authenticator{Algorithm: hmacSHA256, ICV: make([]byte, 32)}
	gmac := func(icvSize int) func(*transfer) {
		return func(x *transfer) { x.auth.Algorithm = AES256GMAC.identifier(icvSize) }
	}
	noAuth := func(x *transfer) { x.auth = nil }
	iv := func(n int) func(*transfer) {
		return func(x *transfer) { x.token.IV = make([]byte, n) }
	}
	noIV := func(x *transfer) { x.token.IV = nil }
	nonce := func(n int) func(*transfer) {
		return func(x *transfer) { x.auth.Nonce = make([]byte, n) }
	}
	for _, tt := range []struct {
		alg  Algorithm
		name string
		edit func(*transfer)
		told string
	}{
		{AES256GCM, "an authenticator beside authenticated encryption", func(x *transfer) { x.auth = &hmac }, ""},
		{AES256GCM, "no nonce", noIV, "gmac-nonce-required"},
		{AES256GCM, "a nonce of 8 octets", iv(8), "gmac-nonce-required"},
		{AES256GCM, "a nonce of 16 octets", iv(16), "gmac-nonce-required"},
		{AES128CBC, "no authenticator", noAuth, ""},
		{AES128CBC, "another ICV algorithm", gmac(16), ""},
		{AES128CBC, "an ICV algorithm with parameters", func(x *transfer) { x.auth.Algorithm.Parameters = &GCMParameters{} }, ""},
		{AES128CBC, "no initialization vector", noIV, "aes-init-vector-required"},
		{AES128CBC, "an initialization vector of 12 octets", iv(12), "aes-init-vector-required"},
		{AES128CBC, "a nonce", nonce(12), ""},
		{HMACSHA256, "another ICV algorithm", gmac(16), ""},
		{HMACSHA256, "a weaker ICV algorithm", func(x *transfer) { x.auth.Algorithm.Algorithm = "1.2.840.113549.2.7" }, ""},
		{HMACSHA256, "a number of 16 octets", iv(16), ""},
		{HMACSHA256, "a nonce", nonce(12), ""},
		{AES256GMAC, "no authenticator", noAuth, ""},
		{AES256GMAC, "another ICV algorithm", func(x *transfer) { x.auth.Algorithm = hmacSHA256 }, ""},
		{AES256GMAC, "a shorter key", func(x *transfer) { x.auth.Algorithm = AES128GMAC.identifier(16) }, ""},
		{AES256GMAC, "a shorter tag", gmac(12), ""},
		{AES256GMAC, "no nonce", func(x *transfer) { x.auth.Nonce = nil }, "gmac-nonce-required"},
		{AES256GMAC, "a nonce of 8 octets", nonce(8), "gmac-nonce-required"},
		{AES256GMAC, "an initialization vector", iv(12), ""},
	} {
		t.Run(tt.alg.String()+", "+tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.use(tt.alg)
			client, server := w.associate()
			r := w.refusedBy(server, w.altered(w.seal(client, appData), tt.edit), w.ids().algorithm)
			if r.Told != tt.told {
				t.Errorf("told %q, want %q", r.Told, tt.told)
			}
			w.wantDtSecAbort(client, r)
		})
	}
}

// TestTagIsAsLongAsAgreed: a tag that is cut off at its end does not verify.
func TestTagIsAsLongAsAgreed(t *testing.T) {
	for _, a := range []Algorithm{AES256GCM, AES256CBC, HMACSHA256, AES128GMAC} {
		w := newWorld(t)
		w.use(a)
		client, server := w.associate()
		w.refusedBy(server, w.altered(w.seal(client, appData), func(x *transfer) {
			if x.auth == nil {
				x.data = x.data[:len(x.data)-4]
			} else {
				x.auth.ICV = x.auth.ICV[:12]
			}
		}), w.ids().icv)
	}
}

// TestCiphertextOfABadPeer: the ICV is right, what it protects makes no sense.
func TestCiphertextOfABadPeer(t *testing.T) {
	padded := func(n int, end ...byte) []byte { return append(make([]byte, n), end...) }
	for _, tt := range []struct {
		name  string
		plain []byte // encrypted as it is
	}{
		{"nothing", nil},
		{"padding of 0", padded(15, 0)},
		{"padding of 17", padded(31, 17)},
		{"padding that differs", padded(13, 2, 3, 3)},
		{"padding longer than all", padded(15, 16)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.use(AES256CBC)
			client, server := w.associate()
			octets := w.altered(w.seal(client, appData), func(x *transfer) {
				x.data = bytes.Clone(tt.plain)
				cipher.NewCBCEncrypter(client.send.block, x.token.IV).CryptBlocks(x.data, x.data)
			})
			w.refusedBy(server, w.withICV(client, octets), audit.E2EEncrAlgorithm)
		})
	}
	t.Run("half a block", func(t *testing.T) {
		w := newWorld(t)
		w.use(AES256CBC)
		client, server := w.associate()
		octets := w.altered(w.seal(client, appData), func(x *transfer) { x.data = x.data[:24] })
		w.refusedBy(server, w.withICV(client, octets), audit.E2EEncrAlgorithm)
	})
}

// withICV puts the ICV of the sender over what is in a data PDU.
func (w *world) withICV(from *Channel, octets []byte) []byte {
	return w.altered(octets, func(x *transfer) {
		r, err := receive(nil, octets, maxTransferSize)
		check(w, err)
		x.auth.ICV = from.send.icv(nil, outermost(r.canonical, "tbp"))
	})
}

// TestPeerThatDoesNotNumberItsPDUs is taken, in order and unrepeated, and on record.
func TestPeerThatDoesNotNumberItsPDUs(t *testing.T) {
	random := func(t *ClearToken2) {
		if len(t.IV) == aes.BlockSize {
			rand.Read(t.IV)
		} else {
			t.IV = nil
		}
	}
	for _, a := range []Algorithm{AES256CBC, AES128CBC, HMACSHA256} {
		uncounted := func(t *testing.T) (w *world, client, server *Channel) {
			w = newWorld(t)
			w.use(a)
			i, acc, server := w.accept("17", "934")
			client, _, err := i.Answer(w.now, serverFull, "17:934", acc)
			check(w, err)
			for range 3 {
				w.deliver(server, w.sealed(client, random), appData)
			}
			return w, client, server
		}
		t.Run(a.String()+", in order", func(t *testing.T) {
			w, client, server := uncounted(t)
			w.now = w.now.Add(time.Second)
			w.deliver(server, w.sealed(client, random), appData)
			events := w.seen.Events()
			if text := events[len(events)-1].Text; !strings.Contains(text, "does not number its PDUs") {
				t.Errorf("the event of the association says %q", text)
			}
			w.send(server, client, appData)
		})
		t.Run(a.String()+", a gap within a time", func(t *testing.T) {
			w, client, server := uncounted(t)
			w.sealed(client, random)
			w.refusedBy(server, w.sealed(client, random), audit.E2ESequence)
		})
		t.Run(a.String()+", a gap before a new time is not seen", func(t *testing.T) {
			w, client, server := uncounted(t)
			w.sealed(client, random)
			w.now = w.now.Add(time.Second)
			w.deliver(server, w.sealed(client, random), appData)
		})
		t.Run(a.String()+", a repetition", func(t *testing.T) {
			w, client, server := uncounted(t)
			octets := w.sealed(client, random)
			w.deliver(server, octets, appData)
			w.refusedBy(server, octets, w.ids().replay)
		})
		t.Run(a.String()+", reordering", func(t *testing.T) {
			w, client, server := uncounted(t)
			first := w.sealed(client, random)
			w.now = w.now.Add(time.Second)
			w.deliver(server, w.sealed(client, random), appData)
			w.refusedBy(server, first, w.ids().replay)
		})
		t.Run(a.String()+", reflection", func(t *testing.T) {
			w, client, _ := uncounted(t)
			w.refusedBy(client, w.sealed(client, random), audit.E2EReflection)
		})
		t.Run(a.String()+", a key change", func(t *testing.T) {
			w, client, server := uncounted(t)
			w.now = w.now.Add(defaultKeyLife)
			w.send(client, server, appData)
			w.send(server, client, appData)
			for range 3 {
				w.deliver(server, w.sealed(client, random), appData)
			}
			if server.Info().Rekeys != 1 {
				t.Error("the keys were not changed")
			}
		})
		t.Run(a.String()+", a peer that stops to number", func(t *testing.T) {
			w := newWorld(t)
			w.use(a)
			client, server := w.associate()
			w.refusedBy(server, w.sealed(client, random), audit.E2ESequence)
		})
	}
}

// TestClearRefusesWhatHasNoCanonicalForm: before anything is sealed, and the association goes on.
func TestClearRefusesWhatHasNoCanonicalForm(t *testing.T) {
	w := newWorld(t)
	w.use(HMACSHA256)
	client, server := w.associate()
	for _, tt := range []struct{ name, data string }{
		{"nothing", ""},
		{"no XML", "17"},
		{"no namespace", "<a/>"},
		{"the namespace of security", "<a xmlns='" + Namespace + "'/>"},
		{"a prefix for the namespace of security", "<e:a xmlns:e='" + Namespace + "'/>"},
		{"two elements", "<a xmlns='urn:x'/><a xmlns='urn:x'/>"},
		{"two elements with content", "<a xmlns='urn:x'>1</a><b xmlns='urn:x'>2</b>"},
		{"text beside", "<a xmlns='urn:x'/>1"},
		{"mixed content", "<a xmlns='urn:x'>1<b/></a>"},
		{"a comment", "<a xmlns='urn:x'><!-- --></a>"},
		{"a carriage return", "<a xmlns='urn:x'>&#13;</a>"},
		{"cut off", "<a xmlns='urn:x'>"},
		{"too large", "<a xmlns='urn:x'>" + strings.Repeat("x", maxTransferSize/2) + "</a>"},
		{"too large in its canonical form", "<a xmlns='urn:x'>" + strings.Repeat(">", maxTransferSize/4) + "</a>"},
	} {
		octets, err := client.Seal(nil, w.now, []byte(tt.data))
		if err == nil || errors.Is(err, net.ErrClosed) || len(octets) != 0 {
			t.Errorf("%s: got %s, %v, want an error", tt.name, octets, err)
		}
	}
	w.send(client, server, appData)
	spelled := strings.ReplaceAll(strings.ReplaceAll(appData, "'", `"`), "><", ">\n<")
	octets, err := client.Seal(nil, w.now, []byte(spelled))
	check(w, err)
	w.deliver(server, octets, appData)
}

func TestClearTellsItsContent(t *testing.T) {
	w := newWorld(t)
	w.use(HMACSHA256)
	client, _ := w.associate()
	if octets := w.seal(client, appData); !bytes.Contains(octets, []byte("<applData>"+appData+"</applData>")) {
		t.Errorf("got %s, want %s in it", octets, appData)
	}
}

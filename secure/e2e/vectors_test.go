package e2e

import (
	"bytes"
	"cmp"
	"crypto/ecdh"
	"crypto/sha256"
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

	"busbar.example/internal/asn1/xer"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

var update = flag.Bool("update", false, "write testdata/e2e anew, with new keys")

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
	var b strings.Builder
	fmt.Fprintf(&b, "what: %s\nexpect: %s\nclause: %s\n", v.what, v.expect, v.clause)
	for _, n := range v.names {
		fmt.Fprintf(&b, "\n-- %s --\n%s\n", n, v.sections[n])
	}
	if err := os.MkdirAll(vectorDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(vectorDir, name), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
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

// vectorWorld is a world with authorities of its own, at a full second.
func vectorWorld(t *testing.T) (*world, *pki.CA) {
	w := newWorld(t)
	w.now = w.now.UTC().Truncate(time.Second)
	root, err := pki.NewRoot(pki.E2E, "dso.example")
	check(w, err)
	root.Clock = func() time.Time { return w.now }
	issuing, err := root.NewIssuing()
	check(w, err)
	issuing.Clock = root.Clock
	trust, err := pki.NewTrust([]*x509.Certificate{root.Certificate()}, nil)
	check(w, err)
	client, err := issuing.IssueE2E(clientJID, nil)
	check(w, err)
	server, err := issuing.IssueE2E(serverJID, nil)
	check(w, err)
	w.client.Identity, w.client.Trust = client, trust
	w.server.Identity, w.server.Trust = server, trust
	w.responder = w.newResponder()
	return w, root
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

// writeSession writes one whole association: handshake, data, a change of keys, release.
func writeSession(t *testing.T, a aead) {
	w, root := vectorWorld(t)
	v := &vector{what: "one association with " + a.name + ", from HandshakeReq to ReleaseRsp",
		expect: "every PDU is accepted; keys, salts and nonces are those given",
		clause: "IEC 62351-4, 13.1 to 13.4; RFC 5869; RFC 5084"}
	v.put("now", w.now.Format(time.RFC3339Nano))
	v.put("root certificate", pemOf(root.Certificate()))
	v.put("client certificate", pemOf(w.client.Identity.Chain[0]))
	v.put("server certificate", pemOf(w.server.Identity.Chain[0]))

	i := w.newInitiator()
	key, err := newKey()
	check(w, err)
	var list AEA
	for _, id := range offer() {
		if id.Algorithm == a.oid {
			list = append(list, id)
		}
	}
	req, tbs1, err := i.encodeSigned(&HandshakeReq{PP: i.Protocol, TBS: HandshakeTBS{
		Token1: i.token1(w.now, "17", key.PublicKey(), list), ApplData: []byte(appRequest)}})
	check(w, err)
	i.becomeRequested("17", key, tbs1, w.now)
	o, err := w.responder.Open(w.now, clientFull, "17", req)
	check(w, err)
	acc, server, err := o.Accept(w.now, "17:934", []byte(appResponse))
	check(w, err)
	r, err := receive(nil, acc, maxHandshakeSize)
	check(w, err)
	tbs2 := r.signedToken().tbs
	serverKey := server.rekey.private
	client, _, err := i.Answer(w.now, serverFull, "17:934", acc)
	check(w, err)

	v.hex("client key of the agreement", key.Bytes())
	v.hex("server key of the agreement", serverKey.Bytes())
	v.put("HandshakeReq", string(req))
	v.put("signed octets of HandshakeReq (data1)", string(tbs1))
	v.put("HandshakeAcc", string(acc))
	v.put("signed octets of HandshakeAcc (data2)", string(tbs2))
	z, err := key.ECDH(serverKey.PublicKey())
	check(w, err)
	s := handshakeSalt(tbs1, tbs2)
	v.hex("Z", z)
	v.hex("salt", s[:])
	chain := v.schedule(t, "", z, s, a.keySize)

	w.now = w.now.Add(time.Second)
	v.transfer(w, "client data", client, server)
	v.transfer(w, "server data", server, client)
	v.transfer(w, "second client data", client, server)

	w.now = w.now.Add(defaultKeyLife)
	v.transfer(w, "client data with rekey", client, server)
	public, err := ecdh.P256().NewPublicKey(client.out.TBP.Token2.Rekey.PublicKey)
	check(w, err)
	z1, err := serverKey.ECDH(public)
	check(w, err)
	s1 := chainedSalt([]byte(v.sections["additional data of client data with rekey"]), s)
	v.hex("Z of the re-key", z1)
	v.hex("salt of the re-key", s1[:])
	v.schedule(t, " of the re-key", append(z1, chain...), s1, a.keySize)
	v.transfer(w, "server data with changedKey", server, client)
	v.transfer(w, "client data under the new keys", client, server)
	v.transfer(w, "server data under the new keys", server, client)

	octets, err := client.ReleaseRequest(w.now)
	check(w, err)
	v.put("ReleaseReq", string(octets))
	_, err = server.Open(w.now, clientFull, "17:934", octets)
	check(w, err)
	octets, err = server.ReleaseResponse(w.now)
	check(w, err)
	v.put("ReleaseRsp", string(octets))
	v.write(t, "session-"+strings.ToLower(a.name)+".txt")
}

// schedule puts what HKDF yields, and returns the chain value.
func (v *vector) schedule(t testing.TB, suffix string, ikm []byte, s salt, keySize int) []byte {
	k, err := newSchedule(ikm, s, keySize)
	if err != nil {
		t.Fatal(err)
	}
	v.hex("client's traffic key"+suffix, k.clientKey())
	v.hex("server's traffic key"+suffix, k.serverKey())
	v.hex("client's nonce prefix"+suffix, k.clientPrefix())
	v.hex("server's nonce prefix"+suffix, k.serverPrefix())
	v.hex("chain value"+suffix, k.chain())
	return k.chain()
}

// transfer puts one PDU and lets it arrive.
func (v *vector) transfer(w *world, name string, from, to *Channel) {
	w.t.Helper()
	octets := w.send(from, to, appData)
	v.put(name, string(octets))
	v.put("additional data of "+name, string(from.aad))
	v.hex("nonce of "+name, from.nonce[:])
	v.hex("ciphertext of "+name, from.out.TBP.ApplData)
}

func TestVectors(t *testing.T) {
	if *update {
		for _, a := range aeads {
			writeSession(t, a)
		}
		writeRefusals(t)
	}
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.txt"))
	if err != nil || len(files) < 8 {
		t.Fatalf("vectors: %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			v := readVector(t, file)
			if _, ok := v.sections["HandshakeAcc"]; ok {
				checkSession(t, v)
			} else {
				checkRefusal(t, v)
			}
		})
	}
}

// checkSession recomputes all that a session holds and plays it to both ends.
func checkSession(t *testing.T, v *vector) {
	w := newWorld(t)
	w.now = v.time(t)
	trust, err := pki.NewTrust([]*x509.Certificate{v.certificate(t, "root certificate")}, nil)
	check(w, err)
	w.client.Trust, w.server.Trust = trust, trust
	req, acc := []byte(v.get(t, "HandshakeReq")), []byte(v.get(t, "HandshakeAcc"))
	tbs1, tbs2 := []byte(v.get(t, "signed octets of HandshakeReq (data1)")), []byte(v.get(t, "signed octets of HandshakeAcc (data2)"))
	for name, p := range map[string]struct{ octets, tbs []byte }{"HandshakeReq": {req, tbs1}, "HandshakeAcc": {acc, tbs2}} {
		r, err := receive(nil, p.octets, maxHandshakeSize)
		check(w, err)
		again, err := xer.Append(nil, secPDUType, Namespace, r.pdu)
		if err != nil || !bytes.Equal(again, p.octets) || !bytes.Equal(r.signedToken().tbs, p.tbs) {
			t.Fatalf("%s decodes to something else: %s, %v", name, again, err)
		}
	}

	clientKey, err := ecdh.P256().NewPrivateKey(v.octets(t, "client key of the agreement"))
	check(w, err)
	serverKey, err := ecdh.P256().NewPrivateKey(v.octets(t, "server key of the agreement"))
	check(w, err)
	z, err := clientKey.ECDH(serverKey.PublicKey())
	check(w, err)
	inner := sha256.Sum256(append(bytes.Clone(tbs1), make([]byte, 32)...))
	s := salt(sha256.Sum256(append(bytes.Clone(tbs2), inner[:]...)))
	var got vector
	got.hex("Z", z)
	got.hex("salt", s[:])
	keySize := len(v.octets(t, "client's traffic key"))
	chain := got.schedule(t, "", z, s, keySize)
	outer := sha256.Sum256(append([]byte(v.get(t, "additional data of client data with rekey")), s[:]...))
	z1 := v.octets(t, "Z of the re-key")
	got.hex("salt of the re-key", outer[:])
	got.schedule(t, " of the re-key", append(z1, chain...), outer, keySize)
	for _, name := range got.names {
		if got.sections[name] != v.get(t, name) {
			t.Errorf("%s is %s, want %s", name, got.sections[name], v.get(t, name))
		}
	}

	// The server's end: from the request to the key of the file.
	o, err := w.responder.Open(w.now, clientFull, "17", req)
	if err == nil {
		t.Fatalf("trusted by another root: %v", o.Peer())
	}
	w.responder = w.newResponder()
	o, err = w.responder.Open(w.now, clientFull, "17", req)
	check(w, err)
	keys, err := agree(serverKey, o.public, nil, s, keySize)
	check(w, err)
	server, err := newChannel(o.endpoint, serverSide, o.peer, keys, agreement{assoID: "17:934", aead: o.alg, salt: s,
		private: serverKey, public: o.public, slot: o.slot, began: w.now, sent: w.now, received: o.requested})
	check(w, err)
	// The client's end.
	i := w.newInitiator()
	i.becomeRequested("17", clientKey, tbs1, w.now)
	client, data, err := i.Answer(w.now, serverFull, "17:934", acc)
	check(w, err)
	if string(data) != appResponse || string(o.ApplData()) != appRequest {
		t.Error("the handshake carries something else")
	}

	w.now = w.now.Add(time.Second)
	for _, name := range []string{"client data", "server data", "second client data", "client data with rekey",
		"server data with changedKey", "client data under the new keys", "server data under the new keys"} {
		to := map[bool]*Channel{true: client, false: server}[strings.HasPrefix(name, "server")]
		octets := []byte(v.get(t, name))
		r, err := receive(nil, octets, maxTransferSize)
		check(w, err)
		p := r.pdu.(*EncrTransfer)
		got := vector{}
		got.put("additional data of "+name, string(r.aad()))
		got.hex("nonce of "+name, p.TBP.Token2.IV)
		got.hex("ciphertext of "+name, p.TBP.ApplData)
		for _, n := range got.names {
			if got.sections[n] != v.get(t, n) {
				t.Errorf("%s is %s, want %s", n, got.sections[n], v.get(t, n))
			}
		}
		if strings.Contains(name, "rekey") {
			w.now = w.now.Add(defaultKeyLife)
			public, err := ecdh.P256().NewPublicKey(p.TBP.Token2.Rekey.PublicKey)
			check(w, err)
			if z, err := serverKey.ECDH(public); err != nil || !bytes.Equal(z, z1) {
				t.Errorf("Z of the re-key is %x, %v", z, err)
			}
			// The client has thrown its new key away; the server's stands for it.
			client.rekey.becomeProposed(swapped(t, server, public, r.aad()))
		}
		w.deliver(to, octets, appData)
		if strings.Contains(name, "changedKey") {
			server.rekey.becomeChanged() // as it does when it seals that PDU
		}
	}
	got1, err := server.Open(w.now, clientFull, "17:934", []byte(v.get(t, "ReleaseReq")))
	if err != nil || got1.Kind != KindReleaseReq {
		t.Errorf("ReleaseReq: %v, %v", got1.Kind, err)
	}
	client.becomeReleasing(w.now)
	got2, err := client.Open(w.now, serverFull, "17:934", []byte(v.get(t, "ReleaseRsp")))
	if err != nil || got2.Kind != KindReleaseRsp {
		t.Errorf("ReleaseRsp: %v, %v", got2.Kind, err)
	}
}

// swapped derives the server's next keys as the client would use them.
func swapped(t *testing.T, server *Channel, public *ecdh.PublicKey, aad []byte) *nextKeys {
	n, err := server.rekey.agree(server.aead, server.rekey.private, public, aad)
	if err != nil {
		t.Fatal(err)
	}
	n.send, n.recv = n.recv, n.send
	return n
}

// writeRefusals writes requests that must be refused.
func writeRefusals(t *testing.T) {
	sigEnd := []byte("<version>1<")
	for _, tt := range []struct {
		file, what, clause string
		from               string
		edit               func(*HandshakeReq)
		after              func([]byte) []byte
		later              time.Duration
		event              audit.ID
		told               string
	}{
		{file: "signature", what: "HandshakeReq with one octet of applData changed", clause: "IEC 62351-4, 14.3.2",
			after: func(b []byte) []byte { return bytes.Replace(b, sigEnd, []byte("<version>0<"), 1) }, event: audit.E2EHandshakeSignature},
		{file: "address", what: "HandshakeReq from another JID than the certificate's", clause: "IEC 62351-4, 14.3.4",
			from: otherFull, event: audit.E2EHandshakeAddress},
		{file: "time", what: "HandshakeReq ten minutes and a second old", clause: "IEC 62351-4, 14.3.4",
			later: maxSkew + time.Second, event: audit.E2ETime, told: "invalid-time-value"},
		{file: "group", what: "HandshakeReq with DH group 14", clause: "IEC 62351-4, 14.3.4",
			edit: func(p *HandshakeReq) { p.TBS.Token1.DHKey.Group = "14" }, event: audit.E2EDowngrade, told: "dhGroup-not-supported"},
		{file: "curve", what: "HandshakeReq whose public key is off the curve", clause: "SEC 1, 3.2.2.1",
			edit: func(p *HandshakeReq) { p.TBS.Token1.DHKey.PublicKey[64] ^= 1 }, event: audit.E2EKeyShare},
		{file: "clear", what: "HandshakeReq of a peer that does not encrypt", clause: "IEC 62351-4, 14.3.4",
			edit: func(p *HandshakeReq) { p.TBS.Token1.ConfParams = 0 }, event: audit.E2EDowngrade, told: "encryption-required"},
		{file: "association-id", what: "HandshakeReq with another association id than its context's", clause: "IEC 62351-4, 14.3.4",
			edit: func(p *HandshakeReq) { p.TBS.Token1.AssoID = "18" }, event: audit.E2EAssociationID},
	} {
		w, root := vectorWorld(t)
		if tt.edit == nil {
			tt.edit = func(*HandshakeReq) {}
		}
		octets := w.forgedRequest(w.client, tt.edit)
		if tt.after != nil {
			octets = tt.after(octets)
		}
		v := &vector{what: tt.what, expect: "refused with the event " + string(tt.event) + "; the peer is told " + cmp.Or(tt.told, "nothing"),
			clause: tt.clause}
		v.put("now", w.now.Add(tt.later).Format(time.RFC3339Nano))
		v.put("root certificate", pemOf(root.Certificate()))
		v.put("from", cmp.Or(tt.from, clientFull))
		v.put("association id", "17")
		v.put("event", string(tt.event))
		v.put("told", tt.told)
		v.put("HandshakeReq", string(octets))
		v.write(t, "refused-"+tt.file+".txt")
	}
}

func checkRefusal(t *testing.T, v *vector) {
	w := newWorld(t)
	trust, err := pki.NewTrust([]*x509.Certificate{v.certificate(t, "root certificate")}, nil)
	check(w, err)
	w.server.Trust = trust
	_, err = w.newResponder().Open(v.time(t), v.get(t, "from"), v.get(t, "association id"), []byte(v.get(t, "HandshakeReq")))
	r := w.refusal(err, audit.ID(v.get(t, "event")))
	if r.Told != v.get(t, "told") {
		t.Errorf("told %q, want %q", r.Told, v.get(t, "told"))
	}
	wantEvent(t, w.seen, r.Event)
}

package e2e

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/internal/asn1/xer"
	"busbar.example/secure/pki"
)

// A session is what a vector of a whole association is about.
type session struct {
	file  string
	alg   Algorithm
	group Group
	rsa   bool // both ends sign with RSA
}

// sessions are the vectors of whole associations.
func sessions() (list []session) {
	for a := AES256GCM; a.known(); a++ {
		list = append(list, session{"session-" + a.String() + ".txt", a, GroupP256, false})
	}
	return append(list, session{"session-rsa-modp-2048.txt", AES256GCM, GroupMODP2048, true})
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

// private returns a private key as the vectors have it.
func (k *keyPair) private() []byte {
	if k.group == GroupMODP2048 {
		return k.x.Bytes()
	}
	return k.ec.Bytes()
}

func readKeyPair(t testing.TB, g Group, octets []byte) *keyPair {
	t.Helper()
	if g == GroupMODP2048 {
		return &keyPair{group: g, x: new(big.Int).SetBytes(octets)}
	}
	key, err := ecdh.P256().NewPrivateKey(octets)
	if err != nil {
		t.Fatal(err)
	}
	return &keyPair{group: g, ec: key}
}

// zOf is the shared secret of one's private key and another's public key.
func zOf(t testing.TB, k *keyPair, public []byte) []byte {
	t.Helper()
	p, f := readPublicKey(k.group, public)
	if f != nil {
		t.Fatal(f.text)
	}
	z, err := k.secret(p)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// write writes one whole association: handshake, data, a change of keys, release.
func (s session) write(t *testing.T) {
	w, root := vectorWorld(t)
	rootCert := root.Certificate()
	if s.rsa {
		f := newForge(t)
		rootCert = f.cert
		trust, err := pki.NewTrust([]*x509.Certificate{f.cert}, nil)
		check(w, err)
		w.client.Identity, w.client.Trust = f.identityOf(newRSA(t, 2048), clientJID), trust
		w.server.Identity, w.server.Trust = f.identityOf(newRSA(t, 2048), serverJID), trust
	}
	w.use(s.alg)
	w.client.Groups, w.server.Groups = []Group{s.group}, []Group{s.group}
	w.responder = w.newResponder()
	v := &vector{what: "one association with " + algorithms[s.alg].name + ", from HandshakeReq to ReleaseRsp",
		expect: "every PDU is accepted; keys, salts and nonces are those given",
		clause: "IEC 62351-4, 13.1 to 13.4; RFC 5869; RFC 5084"}
	v.put("now", w.now.Format(time.RFC3339Nano))
	v.put("root certificate", pemOf(rootCert))
	v.put("client certificate", pemOf(w.client.Identity.Chain[0]))
	v.put("server certificate", pemOf(w.server.Identity.Chain[0]))

	i, req := w.request("17")
	key, tbs1 := i.key, i.tbs
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

	v.hex("client key of the agreement", key.private())
	v.hex("server key of the agreement", serverKey.private())
	v.put("HandshakeReq", string(req))
	v.put("signed octets of HandshakeReq (data1)", string(tbs1))
	v.put("HandshakeAcc", string(acc))
	v.put("signed octets of HandshakeAcc (data2)", string(tbs2))
	secret := zOf(t, key, serverKey.public().PublicKey)
	salt := handshakeSalt(tbs1, tbs2)
	v.hex("Z", secret)
	v.hex("salt", salt[:])
	chain := v.schedule(t, "", secret, salt, client.suite)

	w.now = w.now.Add(time.Second)
	v.put("plaintext", appData)
	v.transfer(w, "client data", client, server)
	v.transfer(w, "server data", server, client)
	v.transfer(w, "second client data", client, server)

	w.now = w.now.Add(defaultKeyLife)
	v.transfer(w, "client data with rekey", client, server)
	secret = zOf(t, serverKey, client.token.Rekey.PublicKey)
	salt = chainedSalt(client.token2, salt)
	v.hex("Z of the re-key", secret)
	v.hex("salt of the re-key", salt[:])
	v.schedule(t, " of the re-key", append(secret, chain...), salt, client.suite)
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
	v.write(t, s.file)
}

// scheduleParts are the sections of what HKDF yields, in its order.
func scheduleParts(alg suite) []string {
	var parts []string
	for _, side := range []string{"client's ", "server's "} {
		switch alg.form() {
		case formAEAD:
			parts = append(parts, side+"traffic key")
		case formCBC:
			parts = append(parts, side+"encryption key", side+"ICV key")
		default:
			parts = append(parts, side+"ICV key")
		}
	}
	return append(parts, "client's nonce prefix", "server's nonce prefix", "chain value")
}

// schedule puts what HKDF yields, and returns the chain value.
func (v *vector) schedule(t testing.TB, suffix string, ikm []byte, s salt, alg suite) []byte {
	k, err := newSchedule(ikm, s, alg)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string][]byte{"chain value": k.chain()}
	for name, side := range map[string]side{"client's ": clientSide, "server's ": serverSide} {
		enc, icv, prefix := k.direction(side)
		parts[name+"traffic key"], parts[name+"encryption key"], parts[name+"ICV key"], parts[name+"nonce prefix"] = enc, enc, icv, prefix
	}
	for _, name := range scheduleParts(alg) {
		v.hex(name+suffix, parts[name])
	}
	return k.chain()
}

// transfer puts one PDU and lets it arrive.
func (v *vector) transfer(w *world, name string, from, to *Channel) {
	w.t.Helper()
	octets := w.send(from, to, appData)
	v.put(name, string(octets))
	v.parts(w.t, name, from.suite, octets)
}

// parts puts what is inside of a PDU, and returns it.
func (v *vector) parts(t testing.TB, name string, alg suite, octets []byte) *transfer {
	t.Helper()
	r, err := receive(nil, octets, maxTransferSize)
	if err != nil {
		t.Fatal(err)
	}
	again, err := xer.Append(nil, secPDUType, Namespace, r.pdu)
	if err != nil || !bytes.Equal(again, octets) {
		t.Errorf("%s decodes to something else: %s, %v", name, again, err)
	}
	x, ok := r.transfer()
	if !ok {
		t.Fatalf("%s carries no data", octets)
	}
	if alg.form() == formAEAD {
		v.put("additional data of "+name, string(x.token2))
		v.hex("nonce of "+name, x.token.IV)
		v.hex("ciphertext of "+name, x.data)
		return &x
	}
	v.put("octets under the ICV of "+name, string(x.tbp))
	switch alg.form() {
	case formCBC:
		v.hex("initialization vector of "+name, x.token.IV)
		v.hex("ciphertext of "+name, x.data)
	case formHMAC:
		v.hex("number of "+name, x.token.IV)
	case formGMAC:
		v.hex("nonce of "+name, x.auth.Nonce)
	}
	v.hex("ICV of "+name, x.auth.ICV)
	return &x
}

func TestVectors(t *testing.T) {
	if *update {
		for _, s := range sessions() {
			s.write(t)
		}
		writeRefusals(t)
	}
	for _, s := range sessions() {
		t.Run(s.file, func(t *testing.T) { s.check(t, readVector(t, filepath.Join(vectorDir, s.file))) })
	}
	files, err := filepath.Glob(filepath.Join(vectorDir, "refused-*.txt"))
	if err != nil || len(files) < 7 {
		t.Fatalf("vectors: %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { checkRefusal(t, readVector(t, file)) })
	}
}

// check recomputes all that a session holds and plays it to both ends.
func (s session) check(t *testing.T, v *vector) {
	w := newWorld(t)
	w.now = v.time(t)
	w.use(s.alg)
	w.client.Groups, w.server.Groups = []Group{s.group}, []Group{s.group}
	w.responder = w.newResponder()
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

	alg := suite{s.alg, algorithms[s.alg].icvSize}
	clientKey := readKeyPair(t, s.group, v.octets(t, "client key of the agreement"))
	serverKey := readKeyPair(t, s.group, v.octets(t, "server key of the agreement"))
	secret := zOf(t, clientKey, serverKey.public().PublicKey)
	inner := sha256.Sum256(append(bytes.Clone(tbs1), make([]byte, 32)...))
	first := salt(sha256.Sum256(append(bytes.Clone(tbs2), inner[:]...)))
	var got vector
	got.hex("Z", secret)
	got.hex("salt", first[:])
	chain := got.schedule(t, "", secret, first, alg)
	var parts vector
	rekey := parts.parts(t, "client data with rekey", alg, []byte(v.get(t, "client data with rekey")))
	outer := sha256.Sum256(append(bytes.Clone(rekey.token2), first[:]...))
	secret = zOf(t, serverKey, rekey.token.Rekey.PublicKey)
	got.hex("Z of the re-key", secret)
	got.hex("salt of the re-key", outer[:])
	got.schedule(t, " of the re-key", append(secret, chain...), outer, alg)
	v.holds(t, &got)

	// The server's end: from the request to the key of the file.
	o, err := w.responder.Open(w.now, clientFull, "17", req)
	if err == nil {
		t.Fatalf("trusted by another root: %v", o.Peer())
	}
	w.responder = w.newResponder()
	o, err = w.responder.Open(w.now, clientFull, "17", req)
	check(w, err)
	if o.alg != alg {
		t.Fatalf("the server chose %v, want %v", o.alg, alg)
	}
	keys, err := agree(serverKey, o.public, nil, first, alg)
	check(w, err)
	server, err := newChannel(o.endpoint, serverSide, o.peer, keys, agreement{assoID: "17:934", suite: o.alg, salt: first,
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
		var got vector
		x := got.parts(t, name, alg, octets)
		v.holds(t, &got)
		if strings.Contains(name, "rekey") {
			w.now = w.now.Add(defaultKeyLife)
			public, f := readPublicKey(s.group, x.token.Rekey.PublicKey)
			if f != nil {
				t.Fatal(f.text)
			}
			// The client has thrown its new key away; the server's stands for it.
			client.rekey.becomeProposed(swapped(t, server, public, x.token2))
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
func swapped(t *testing.T, server *Channel, public *publicKey, token2 []byte) *nextKeys {
	n, err := server.rekey.agree(server.suite, server.rekey.private, public, token2)
	if err != nil {
		t.Fatal(err)
	}
	n.send, n.recv = n.recv, n.send
	return n
}

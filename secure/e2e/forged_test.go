package e2e

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"busbar.example/internal/asn1/xer"
	"busbar.example/secure/audit"
)

// A stage is a moment of an association at which either end may say what it likes.
type stage struct {
	name           string
	now            time.Time
	client, server *Channel
	responder      func() *Responder
	initiator      *Initiator // has asked, and waits for an answer
}

// stages are the moments of an association under a.
func stages(t testing.TB, a Algorithm) (list []stage) {
	w := newWorld(t)
	w.use(a)
	var client, server *Channel
	at := func(name string) {
		list = append(list, stage{name: name, now: w.now, client: clone(client), server: clone(server)})
	}

	i, acc, server := w.accept("17", "934")
	asked := *i
	client, _, err := i.Answer(w.now, serverFull, "17:934", acc)
	check(w, err)
	at("agreed")
	w.send(client, server, appData)
	w.send(server, client, appData)
	at("confirmed")
	w.now = w.now.Add(defaultKeyLife)
	w.send(client, server, appData)
	at("rekey")
	w.send(server, client, appData)
	at("changedKey")
	w.send(client, server, appData)
	ask, err := client.ReleaseRequest(w.now)
	check(w, err)
	at("releasing")
	_, err = server.Open(w.now, clientFull, "17:934", ask)
	check(w, err)
	at("released")

	for i := range list {
		s := &list[i]
		s.initiator = &asked
		s.responder = func() *Responder {
			w.server.Replay = new(ReplayCache)
			return w.newResponder()
		}
	}
	return list
}

// epoch is the present of what is fuzzed: it stands for the stage's, which is another each time.
var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// moveTime moves a time that is one, and keeps how it is written.
func moveTime(text *string, by time.Duration) {
	at, ok := parseTimestamp(*text)
	if !ok {
		return
	}
	moved := timestamp(at.Add(by))
	*text = moved[:14] + (*text)[14:15] + moved[15:]
}

// timeIn returns where a token holds its time.
func timeIn(token any) *string {
	switch t := token.(type) {
	case *ClearToken1:
		return &t.Time
	case *ClearToken2:
		return &t.Time
	}
	return &token.(*ClearToken3).Time
}

// tokenOf returns the token of a PDU: *ClearToken1, *ClearToken2 or *ClearToken3.
func tokenOf(p SecPDU) any {
	switch p := p.(type) {
	case *HandshakeReq:
		return &p.TBS.Token1
	case *HandshakeAcc:
		return &p.TBS.Token1
	case *ApplicationReject:
		return &p.TBS.Token3
	case *HandshakeSecReject:
		return &p.TBS.Token3
	case *HandshakeSecAbort:
		return &p.TBS.Token3
	case *ClearTransfer:
		return &p.TBP.Token2
	case *EncrTransfer:
		return &p.TBP.Token2
	case *DtSecAbort:
		return &p.TBS.Token3
	case *ApplAbort:
		return &p.TBS.Token3
	case *ReleaseReq:
		return &p.TBS.Token3
	}
	return &p.(*ReleaseRsp).TBS.Token3
}

// An edit puts values into places of a token: bit i of places is the ith of those below.
type edit struct {
	places uint16
	text   string
	number uint32
	octets []byte
}

func (e *edit) apply(token any) {
	algorithm, yes := AlgorithmIdentifier{Algorithm: e.text}, e.number&1 == 1
	var places []func()
	switch t := token.(type) {
	case *ClearToken1:
		places = []func(){func() { t.AssoID = e.text }, func() { t.Time = e.text }, func() { t.Version = Version(e.number) },
			func() { t.DHKey.Group = e.text }, func() { t.DHKey.PublicKey = e.octets }, func() { t.HMAC = algorithm },
			func() { t.SigAlg = algorithm }, func() { t.EncrMode = AEA{algorithm} }, func() { t.EncrMode = &NonAEA{ICV: []AlgorithmIdentifier{algorithm}} },
			func() { t.ConfParams = ConfidentialityParms(e.number) }, func() { t.AttCert = e.octets }, func() { t.CertPath = append(t.CertPath, e.octets) },
			func() { algorithm.Parameters = &GCMParameters{new(uint8(e.number))}; t.EncrMode = AEA{algorithm} }}
	case *ClearToken2:
		places = []func(){func() { t.AssoID = e.text }, func() { t.Time = e.text }, func() { t.Seq = e.number }, func() { t.IV = e.octets },
			func() { t.Rekey = &DiffieHellmanSet{e.text, e.octets} }, func() { t.Rekey = &DiffieHellmanSet{"23", e.octets} },
			func() { t.ReqRekey = &yes }, func() { t.ChangedKey = &yes }, func() { t.Rekey = nil }}
	case *ClearToken3:
		places = []func(){func() { t.AssoID = e.text }, func() { t.Time = e.text }, func() { t.Version = Version(e.number) },
			func() { t.SigAlg = algorithm }, func() { t.CertPath = append(t.CertPath, e.octets) }}
	}
	for i, put := range places {
		if e.places>>i&1 == 1 {
			put()
		}
	}
}

// FuzzForged plays a peer with good keys that says what it likes: whatever SecPDU comes is signed anew with the key of its
// sender's certificate, or sealed anew under the sender's traffic key, and so gets past the checks that stop everybody else.
// What is taken is what the rules of its kind allow, which are judged here anew; of data also the reverse.
func FuzzForged(f *testing.F) {
	algorithms := []Algorithm{AES256GCM, AES128CBC, HMACSHA256, AES256GMAC}
	var all []stage
	var request []byte
	for n, a := range algorithms {
		these := stages(f, a)
		all = append(all, these...)
		w := newWorld(f)
		w.use(a)
		for _, g := range targets(w) {
			if n > 0 && !g.data {
				continue
			}
			r, err := receive(nil, g.octets, maxHandshakeSize)
			if err != nil {
				f.Fatal(err)
			}
			*timeIn(tokenOf(r.pdu)) = timestamp(epoch.Add(time.Millisecond))
			if p, ok := r.pdu.(*EncrTransfer); ok { // what is inside
				p.TBP.ApplData = []byte(appData)
			}
			octets, err := xer.Append(nil, secPDUType, Namespace, r.pdu)
			if err != nil {
				f.Fatal(err)
			}
			if g.name == "HandshakeReq" {
				request = octets
			}
			for i := range these {
				if g.data || i == 0 || i == 1 || i > 3 {
					f.Add(byte(n*len(these)+i), strings.Contains(g.name, "server") || strings.Contains(g.name, "changedKey") || g.name == "ReleaseRsp", octets, uint16(0), "", uint32(0), []byte(nil))
				}
			}
		}
	}
	key, err := newKeyPair(GroupP256)
	if err != nil {
		f.Fatal(err)
	}
	transfer := func(iv []byte) []byte {
		p := &EncrTransfer{TBP: EncrTBP{ClearToken2{AssoID: "17:934", Time: timestamp(epoch.Add(time.Millisecond)), IV: iv}, []byte(appData)}}
		octets, err := xer.Append(nil, secPDUType, Namespace, p)
		if err != nil {
			f.Fatal(err)
		}
		return octets
	}
	times := []string{"20261123120000.001Z", "20261123114959,999Z", "20261123121000,001Z", "20261123121000,000Z", "20261123120060,000Z"}
	for i := range all {
		own := all[i].client.send.iv(nil)
		clear(own)
		for place := range 9 {
			for _, ofServer := range []bool{false, true} {
				f.Add(byte(i), ofServer, transfer(own), uint16(1)<<place, times[0], uint32(1), key.public().PublicKey)
			}
		}
	}
	for _, at := range times {
		f.Add(byte(1), false, transfer(make([]byte, nonceSize)), uint16(2), at, uint32(0), []byte(nil))
		f.Add(byte(0), false, request, uint16(2), at, uint32(0), []byte(nil))
	}
	for place := range 13 {
		for _, number := range []uint32{1, 2, 16} {
			f.Add(byte(0), false, request, uint16(1)<<place, oidAES256GCM, number, []byte("x"))
		}
	}
	f.Fuzz(func(t *testing.T, which byte, ofServer bool, octets []byte, places uint16, text string, number uint32, value []byte) {
		r, err := receive(nil, octets, maxHandshakeSize)
		if err != nil {
			return
		}
		s := all[int(which)%len(all)]
		token := tokenOf(r.pdu)
		(&edit{places, text, number, value}).apply(token)
		moveTime(timeIn(token), s.now.Truncate(time.Millisecond).Sub(epoch))
		from, to := clone(s.client), clone(s.server)
		if ofServer {
			from, to = to, from
		}
		switch p := r.pdu.(type) {
		case *ClearTransfer:
			s.forgeTransfer(t, from, to, &p.TBP.Token2, p.TBP.ApplData)
			return
		case *EncrTransfer:
			s.forgeTransfer(t, from, to, &p.TBP.Token2, p.TBP.ApplData)
			return
		}
		var assoID string
		switch token := token.(type) {
		case *ClearToken1:
			assoID, token.PKCert = token.AssoID, from.Identity.Chain[0].Raw
		case *ClearToken3:
			assoID, token.PKCert = token.AssoID, from.Identity.Chain[0].Raw
		}
		forged, _, err := from.encodeSigned(r.pdu.(signedPDU))
		if err != nil {
			return // a token that has no encoding, such as one with a time that is none
		}
		s.forgeSigned(t, from, to, ofServer, r.pdu, assoID, *timeIn(token), forged)
	})
}

// tells reports whether text is a time that a token may have, by other means than parseTimestamp.
func (s *stage) tells(text string) (at time.Time, ok bool) {
	if len(text) != timestampSize {
		return at, false
	}
	at, err := time.Parse("20060102150405.000Z", text)
	return at, err == nil && s.now.Sub(at).Abs() <= maxSkew
}

// forgeTransfer seals data with a token that the sender makes as it likes.
func (s *stage) forgeTransfer(t *testing.T, from, to *Channel, token *ClearToken2, data []byte) {
	iv := from.send.iv(nil)
	counted := true
	switch {
	case from.suite.form() == formCBC && len(token.IV) == len(iv) && token.IV[0] >= 0x80: // one without a number
		iv, counted = token.IV, false
	case from.suite.form() == formHMAC && token.IV == nil:
		counted = false
	case len(token.IV) == len(iv):
		token.IV = iv
	}
	if from.Mode == Clear {
		form, err := appendApplData(nil, data, maxTransferSize/2)
		if err != nil {
			return
		}
		data = form
	}
	var err error
	if from.token2, err = xer.AppendContent(nil, token2Type, token); err != nil {
		return
	}
	octets := from.encodeTransfer(nil, from.send, iv, data)
	allowed := s.allows(to, token, len(iv), counted)
	got, err := to.Open(s.now, to.peer.address, to.assoID, octets)
	var refused *Refusal
	switch {
	case (err == nil) != allowed:
		t.Fatalf("%s, %v: taken with %v, allowed %t: %s", s.name, to.suite, err, allowed, octets)
	case err == nil:
		if at, _ := s.tells(token.Time); got.Kind != KindData || !bytes.Equal(got.ApplData, data) || !got.Time.Equal(at) {
			t.Fatalf("%s, %v: got %v %q of %v, want %q of %s", s.name, to.suite, got.Kind, got.ApplData, got.Time, data, token.Time)
		}
		if _, err := to.Open(s.now, to.peer.address, to.assoID, octets); err == nil {
			t.Fatalf("%s, %v: taken twice: %s", s.name, to.suite, octets)
		}
	case !errors.As(err, &refused) || got.ApplData != nil:
		t.Fatalf("%s, %v: got %q, %v, want a refusal", s.name, to.suite, got.ApplData, err)
	case refused.Event == audit.E2EClearICV || refused.Event == audit.E2EEncrICV:
		t.Fatalf("%s, %v: what the peer has sealed itself is refused: %v", s.name, to.suite, err)
	}
}

// allows judges a token of data under the right key.
//
// IEC 62351-4, 13.3.1.4 and 13.3.2.
func (s *stage) allows(to *Channel, token *ClearToken2, ivSize int, counted bool) bool {
	at, ok := s.tells(token.Time)
	same := ok && at.Equal(to.opened.data)
	asks, changed := token.ReqRekey != nil && *token.ReqRekey, token.ChangedKey != nil && *token.ChangedKey
	switch {
	case !ok, token.AssoID != "17:934", s.name == "released" && to.side == serverSide,
		counted && len(token.IV) != ivSize, !counted && to.recv.counter > 0 && !(s.name == "changedKey" && to.side == serverSide), // whose next key is fresh

		at.Before(to.opened.last), same && token.Seq != to.opened.seq+1, !same && token.Seq != 0:
		return false
	case to.side == clientSide:
		return token.Rekey == nil && (!changed || s.name == "rekey")
	case asks || changed:
		return false
	case token.Rekey == nil:
		return true
	}
	_, err := ecdh.P256().NewPublicKey(token.Rekey.PublicKey)
	return s.name != "rekey" && token.Rekey.Group == "23" && err == nil
}

// forgeSigned gives a PDU that its sender has signed to who may expect such a one.
func (s *stage) forgeSigned(t *testing.T, from, to *Channel, ofServer bool, p SecPDU, assoID, told string, octets []byte) {
	var err error
	switch p := p.(type) {
	case *HandshakeReq:
		if ofServer {
			return // nobody expects that
		}
		var o *Offer
		if o, err = s.responder().Open(s.now, clientFull, assoID, octets); err == nil {
			s.checkToken1(t, &p.TBS.Token1, o.alg, octets)
			if !isHalf(assoID) || !bytes.Equal(o.ApplData(), p.TBS.ApplData) {
				t.Fatalf("taken with %q: %s", o.ApplData(), octets)
			}
			if _, _, err := o.Accept(s.now, assoID+":5", []byte(appResponse)); err != nil {
				t.Fatalf("cannot be accepted: %v: %s", err, octets)
			}
		}
	case *HandshakeAcc, *ApplicationReject, *HandshakeSecReject:
		if !ofServer {
			return
		}
		i, e := *s.initiator, *s.initiator.endpoint
		e.Replay, e.Identity = new(ReplayCache), idle(e.Identity)
		i.endpoint = &e
		var c *Channel
		c, _, err = i.Answer(s.now, serverFull, assoID, octets)
		acc, _ := p.(*HandshakeAcc)
		if err == nil {
			s.checkToken1(t, &acc.TBS.Token1, c.suite, octets)
		}
		var rejected *Rejected
		var refused *SecRejected
		if errors.As(err, &rejected) || errors.As(err, &refused) {
			err = nil
		}
	default:
		to.Identity = idle(to.Identity)
		var got Received
		if got, err = to.Open(s.now, to.peer.address, to.assoID, octets); err == nil && (got.Kind == 0 || got.Kind == KindData || assoID != "17:934") {
			t.Fatalf("%s: taken as %v: %s", s.name, got.Kind, octets)
		}
	}
	var refusal *Refusal
	if _, ok := s.tells(told); err == nil && !ok {
		t.Fatalf("taken at %v: %s", s.now, octets)
	} else if err != nil && !errors.As(err, &refusal) {
		t.Fatalf("%s: got %v, want a refusal: %s", s.name, err, octets)
	}
	if refusal != nil && slices.Contains([]audit.ID{audit.E2ETampered, audit.E2EHandshakeSignature}, refusal.Event) {
		t.Fatalf("%s: what %s has signed itself is refused: %v", s.name, from.Identity.Chain[0].Subject, err)
	}
}

// checkToken1 judges a token of a handshake that was taken.
//
// IEC 62351-4, 14.3.4.
func (s *stage) checkToken1(t *testing.T, token *ClearToken1, taken suite, octets []byte) {
	key, err := ecdh.P256().NewPublicKey(token.DHKey.PublicKey)
	if err != nil || key.Curve() != ecdh.P256() || token.DHKey.Group != "23" || token.Version&1 == 0 || token.AttCert != nil ||
		token.HMAC.Algorithm != "1.2.840.113549.2.9" || token.SigAlg.Algorithm != "1.2.840.10045.4.3.2" {
		t.Fatalf("%v, taken: %s", err, octets)
	}
	oid := "<algorithm>" + algorithms[taken.alg].oid + "</algorithm>"
	if !bytes.Contains(octets, []byte(oid)) {
		t.Fatalf("%v was taken, and not offered: %s", taken, octets)
	}
}

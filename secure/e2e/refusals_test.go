package e2e

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"testing"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

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

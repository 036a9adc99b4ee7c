package e2e

import (
	"bytes"
	"crypto/elliptic"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"busbar.example/secure/audit"
)

// The tests here are named by the rows of the attack catalogue in docs/threat-model.md. The attacker
// carries all PDUs, and may hold a certificate of its own.

// TestE1: replay of each PDU, of a whole session, to the same and to another peer.
func TestE1(t *testing.T) { eachAlgorithm(t, testE1) }

func testE1(t *testing.T, newWorld func(testing.TB) *world) {
	t.Run("HandshakeReq", func(t *testing.T) {
		w := newWorld(t)
		_, req := w.request("17")
		if _, err := w.responder.Open(w.now, clientFull, "17", req); err != nil {
			t.Fatal(err)
		}
		_, err := w.responder.Open(w.now, clientFull, "17", req)
		if r := w.refusal(err, audit.E2EHandshakeReplay); r.Told != "" {
			t.Errorf("told %q", r.Told)
		}
		wantEvent(t, w.seen, audit.E2EHandshakeReplay)
	})
	t.Run("HandshakeReq with another signature of the same octets", func(t *testing.T) {
		w := newWorld(t)
		_, req := w.request("17")
		if _, err := w.responder.Open(w.now, clientFull, "17", req); err != nil {
			t.Fatal(err)
		}
		_, err := w.responder.Open(w.now, clientFull, "17", otherSignature(t, req))
		w.refusal(err, audit.E2EHandshakeReplay)
	})
	t.Run("HandshakeReq after ten minutes", func(t *testing.T) {
		w := newWorld(t)
		_, req := w.request("17")
		w.now = w.now.Add(maxSkew + time.Millisecond)
		_, err := newWorld(t).responder.Open(w.now, clientFull, "17", req)
		w.refusal(err, audit.E2ETime)
	})
	t.Run("HandshakeReq to a restarted server yields nothing", func(t *testing.T) {
		w := newWorld(t)
		_, req := w.request("17")
		if _, err := w.responder.Open(w.now, clientFull, "17", req); err != nil {
			t.Fatal(err)
		}
		w.server.Replay = new(ReplayCache)
		o, err := w.newResponder().Open(w.now, clientFull, "17", req)
		if err != nil {
			t.Fatal(err)
		}
		_, c, err := o.Accept(w.now, "17:1", []byte(appResponse))
		if err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(halfOpenLife)
		if c.confirmed || !c.Expire(w.now) || countEvents(w.seen, audit.E2EEstablished) != 0 {
			t.Error("a replayed handshake made an association")
		}
	})
	t.Run("HandshakeAcc to the next request", func(t *testing.T) {
		w := newWorld(t)
		i, acc, _ := w.accept("17", "934")
		if _, _, err := i.Answer(w.now, serverFull, "17:934", acc); err != nil {
			t.Fatal(err)
		}
		next, _ := w.request("17")
		_, _, err := next.Answer(w.now, serverFull, "17:934", acc)
		w.refusal(err, audit.E2EReplay)
		wantEvent(t, w.heard, audit.E2EReplay)
	})
	t.Run("HandshakeAcc to a restarted client yields nothing", func(t *testing.T) {
		w := newWorld(t)
		_, acc, server := w.accept("17", "934")
		next, _ := w.request("17")
		c, _, err := next.Answer(w.now, serverFull, "17:934", acc)
		if err != nil {
			t.Fatal(err)
		}
		w.refusedBy(server, w.seal(c, appData), w.ids().icv)
	})
	t.Run("HandshakeSecReject to the next request", func(t *testing.T) {
		w := newWorld(t)
		_, err := w.responder.Open(w.now, clientFull, "17", nil)
		octets := w.refusal(err, audit.E2ECanonical).SecPDU
		first, _ := w.request("17")
		first.Answer(w.now, serverFull, "17", octets)
		next, _ := w.request("17")
		_, _, err = next.Answer(w.now, serverFull, "17", octets)
		w.refusal(err, audit.E2EReplay)
	})
	t.Run("data", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		octets := w.send(client, server, appData)
		r := w.refusedBy(server, octets, w.ids().replay)
		if r.Told != "" {
			t.Errorf("told %q", r.Told)
		}
		w.wantDtSecAbort(client, r)
	})
	t.Run("data of the server, later", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		octets := w.send(server, client, appData)
		w.send(server, client, appData)
		w.refusedBy(client, octets, w.ids().replay)
	})
	t.Run("data of another association of the same two", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		octets := w.seal(client, appData)
		server.Close(w.now, "test")
		w.responder = w.newResponder() // which has forgotten the association id
		_, second := w.associate()
		w.refusedBy(second, octets, w.ids().icv)
	})
	t.Run("ReleaseReq", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		octets, err := client.ReleaseRequest(w.now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.Open(w.now, clientFull, "17:934", octets); err != nil {
			t.Fatal(err)
		}
		w.refusedBy(server, octets, audit.E2EReplay)
	})
	t.Run("aborts of an earlier association with the same id", func(t *testing.T) {
		for _, abort := range []func(*Channel, time.Time) ([]byte, error){
			func(c *Channel, now time.Time) ([]byte, error) { return c.Abort(now, nil) },
			func(c *Channel, now time.Time) ([]byte, error) { return c.SecAbort(now, DtNoReason) },
			(*Channel).ReleaseRequest,
		} {
			w := newWorld(t)
			client, _ := w.associate()
			octets, err := abort(client, w.now)
			if err != nil {
				t.Fatal(err)
			}
			w.now = w.now.Add(time.Second)
			w.responder = w.newResponder()
			_, second := w.associate()
			w.refusedBy(second, octets, audit.E2EReplay)
		}
	})
	t.Run("a whole session to another peer", func(t *testing.T) {
		w := newWorld(t)
		i, req := w.request("17")
		o, err := w.responder.Open(w.now, clientFull, "17", req)
		if err != nil {
			t.Fatal(err)
		}
		acc, _, err := o.Accept(w.now, "17:934", []byte(appResponse))
		if err != nil {
			t.Fatal(err)
		}
		client, _, err := i.Answer(w.now, serverFull, "17:934", acc)
		if err != nil {
			t.Fatal(err)
		}
		first := w.seal(client, appData)
		w.server.Identity, w.server.Replay = authorities().other, new(ReplayCache)
		other, err := w.newResponder().Open(w.now, clientFull, "17", req)
		if err != nil {
			t.Fatal(err)
		}
		_, victim, err := other.Accept(w.now, "17:934", []byte(appResponse))
		if err != nil {
			t.Fatal(err)
		}
		w.refusedBy(victim, first, w.ids().icv)
		if victim.confirmed {
			t.Error("the other peer took the session for its own")
		}
	})
}

// otherSignature replaces the signature (r, s) by (r, n-s), which is as good.
func otherSignature(t *testing.T, octets []byte) []byte {
	start := bytes.LastIndex(octets, []byte("<sign>")) + len("<sign>")
	end := start + bytes.IndexByte(octets[start:], '<')
	der, err := base64.StdEncoding.DecodeString(string(octets[start:end]))
	if err != nil {
		t.Fatal(err)
	}
	r, s := der[4:4+der[3]], der[6+der[3]:]
	flipped := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(s)).Bytes()
	if flipped[0] >= 0x80 {
		flipped = append([]byte{0}, flipped...)
	}
	sig := append([]byte{2, byte(len(r))}, r...)
	sig = append(append(sig, 2, byte(len(flipped))), flipped...)
	sig = append([]byte{0x30, byte(len(sig))}, sig...)
	return bytes.Join([][]byte{octets[:start], []byte(base64.StdEncoding.EncodeToString(sig)), octets[end:]}, nil)
}

// TestE2: reflection.
func TestE2(t *testing.T) { eachAlgorithm(t, testE2) }

func testE2(t *testing.T, newWorld func(testing.TB) *world) {
	t.Run("data", func(t *testing.T) {
		w := newWorld(t)
		client, _ := w.associate()
		w.refusedBy(client, w.seal(client, appData), audit.E2EReflection)
	})
	t.Run("the server's data", func(t *testing.T) {
		w := newWorld(t)
		_, server := w.associate()
		w.refusedBy(server, w.seal(server, appData), audit.E2EReflection)
	})
	t.Run("ReleaseReq", func(t *testing.T) {
		w := newWorld(t)
		client, _ := w.associate()
		octets, err := client.ReleaseRequest(w.now)
		if err != nil {
			t.Fatal(err)
		}
		w.refusedBy(client, octets, audit.E2ECertificate)
	})
	t.Run("HandshakeReq as its own answer", func(t *testing.T) {
		w := newWorld(t)
		i, req := w.request("17")
		_, _, err := i.Answer(w.now, serverFull, "17", req)
		w.refusal(err, audit.E2ECanonical)
	})
	t.Run("HandshakeReq as HandshakeAcc", func(t *testing.T) {
		w := newWorld(t)
		i, req := w.request("17")
		acc := []byte(strings.ReplaceAll(string(req), "HandshakeReq", "HandshakeAcc"))
		_, _, err := i.Answer(w.now, serverFull, "17", acc)
		w.refusal(err, audit.E2EAssociationID)
	})
	t.Run("HandshakeReq to its sender", func(t *testing.T) {
		w := newWorld(t)
		_, req := w.request("17")
		r, err := NewResponder(w.client)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Open(w.now, serverFull, "17", req)
		w.refusal(err, audit.E2EHandshakeAddress)
		wantEvent(t, w.heard, audit.E2EHandshakeAddress)
	})
}

// TestE4: what one peer signed, delivered as from another.
func TestE4(t *testing.T) { eachAlgorithm(t, testE4) }

func testE4(t *testing.T, newWorld func(testing.TB) *world) {
	t.Run("HandshakeReq", func(t *testing.T) {
		w := newWorld(t)
		_, req := w.request("17")
		_, err := w.responder.Open(w.now, otherFull, "17", req)
		if r := w.refusal(err, audit.E2EHandshakeAddress); r.Told != "" {
			t.Errorf("told %q", r.Told)
		}
		wantEvent(t, w.seen, audit.E2EHandshakeAddress)
	})
	t.Run("HandshakeAcc of another certified peer", func(t *testing.T) {
		w := newWorld(t)
		i, req := w.request("17")
		w.server.Identity = authorities().other
		o, err := w.newResponder().Open(w.now, clientFull, "17", req)
		if err != nil {
			t.Fatal(err)
		}
		acc, _, err := o.Accept(w.now, "17:934", []byte(appResponse))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = i.Answer(w.now, serverFull, "17:934", acc)
		w.refusal(err, audit.E2EAddress)
		wantEvent(t, w.heard, audit.E2EAddress)
	})
	t.Run("HandshakeAcc from another address", func(t *testing.T) {
		w := newWorld(t)
		i, acc, _ := w.accept("17", "934")
		_, _, err := i.Answer(w.now, otherFull, "17:934", acc)
		w.refusal(err, audit.E2EAddress)
		if _, _, err := i.Answer(w.now, serverFull, "17:934", acc); err != nil {
			t.Errorf("another's answer ended the handshake: %v", err)
		}
	})
	t.Run("data from another address", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		octets := w.seal(client, appData)
		for _, from := range []string{otherFull, clientJID, clientJID + "/IEC-2", ""} {
			_, err := server.Open(w.now, from, "17:934", octets)
			if r := w.refusal(err, audit.E2EAddress); r.SecPDU != nil {
				t.Errorf("%q is answered", from)
			}
		}
		w.deliver(server, octets, appData) // only the true peer ends an association
	})
	t.Run("abort that another certified peer has signed", func(t *testing.T) {
		w := newWorld(t)
		_, server := w.associate()
		cfg := w.client
		cfg.Identity = authorities().other
		e, err := newEndpoint(cfg)
		if err != nil {
			t.Fatal(err)
		}
		octets, _, err := e.encodeSigned(&ApplAbort{TBS: ApplAbortTBS{Token3: e.token3(w.now, "17:934")}})
		if err != nil {
			t.Fatal(err)
		}
		w.refusedBy(server, octets, audit.E2ECertificate)
	})
}

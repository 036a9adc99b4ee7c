package e2e

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"busbar.example/secure/audit"
)

// wrongSignature is a HandshakeReq, well formed and fresh, whose signature is wrong.
func (w *world) wrongSignature(id string) []byte {
	_, req := w.request(id)
	return change(w.t, req, "<version>1<", "<version>2<")
}

// TestD1: floods of handshakes, all well formed and fresh, with wrong signatures.
func TestD1(t *testing.T) {
	t.Run("one peer is refused beyond its budget, uniformly and unread", func(t *testing.T) {
		w := newWorld(t)
		bad := w.wrongSignature("17")
		for n := range 10_000 {
			_, err := w.responder.Open(w.now, otherFull, "17", bad)
			if n < peerBurst {
				w.refusal(err, audit.E2EHandshakeAddress)
				continue
			}
			if r := w.refusal(err, audit.E2EHandshakeFlood); r.SecPDU != nil || r.Told != "" {
				t.Fatalf("beyond its budget the peer is told %q, %s", r.Told, r.SecPDU)
			}
		}
		if n := countEvents(w.seen, audit.E2EHandshakeFlood); n != 1 {
			t.Errorf("%d events for one flood", n)
		}
		w.associate()
	})
	t.Run("strangers do not make who signs with RSA sign without end", func(t *testing.T) {
		w, p := newWorld(t), rsaPeers()
		server := w.server
		server.Identity = p.f.identityOf(p.client.Key, serverJID)
		responder, err := NewResponder(server)
		if err != nil {
			t.Fatal(err)
		}
		bad, signed := w.wrongSignature("17"), 0
		for n := range 500 {
			_, err := responder.Open(w.now, fmt.Sprintf("stranger%d@dso.example/1", n), "17", bad)
			if r := w.refusal(err, audit.E2EHandshakeAddress); r.SecPDU != nil {
				signed++
			}
		}
		if signed != refusalsBurst {
			t.Errorf("%d of 500 refusals at once are signed, want %d", signed, refusalsBurst)
		}
		w.now = w.now.Add(responder.admission.refusing)
		if _, err := responder.Open(w.now, "stranger@dso.example/1", "17", bad); w.refusal(err, audit.E2EHandshakeAddress).SecPDU == nil {
			t.Error("no refusal is signed later")
		}
	})
	t.Run("a budget fills again", func(t *testing.T) {
		w := newWorld(t)
		bad := w.wrongSignature("17")
		for range 100 {
			w.responder.Open(w.now, clientFull, "17", bad)
		}
		_, req := w.request("17")
		_, err := w.responder.Open(w.now, clientFull, "17", req)
		w.refusal(err, audit.E2EHandshakeFlood)
		w.now = w.now.Add(peerInterval)
		w.associate()
		if n := countEvents(w.seen, audit.E2EHandshakeFlood); n != 1 {
			t.Errorf("%d events for one flood", n)
		}
	})
	t.Run("fifty peers, valid ones are served", func(t *testing.T) {
		w := newWorld(t)
		bad := w.wrongSignature("17")
		checked := 0
		for second := range 2 {
			for n := range 10_000 {
				w.now = w.now.Add(100 * time.Microsecond)
				_, err := w.responder.Open(w.now, fmt.Sprintf("bot%d@dso.example/x", n%50), "17", bad)
				if r := w.refusal(err, errEvent(err)); r.Event != audit.E2EHandshakeFlood {
					checked++
				}
			}
			i, o := w.offer(fmt.Sprint(second))
			acc, server, err := o.Accept(w.now, fmt.Sprint(second, ":1"), []byte(appResponse))
			if err != nil {
				t.Fatal(err)
			}
			client, _, err := i.Answer(w.now, serverFull, fmt.Sprint(second, ":1"), acc)
			if err != nil {
				t.Fatal(err)
			}
			w.send(client, server, appData)
		}
		if most := 50*peerBurst + 50*2*2 + 50; checked > most {
			t.Errorf("%d of 20,000 bad handshakes were looked at, %d are allowed", checked, most)
		}
	})
	t.Run("ever new addresses, known peers are served", func(t *testing.T) {
		w := newWorld(t)
		w.associate()
		bad := w.wrongSignature("17")
		checked := 0
		for n := range 20_000 {
			w.now = w.now.Add(100 * time.Microsecond)
			_, err := w.responder.Open(w.now, fmt.Sprintf("bot%d@dso.example/x", n), "17", bad)
			if r := w.refusal(err, errEvent(err)); r.Event != audit.E2EHandshakeFlood {
				checked++
			}
		}
		w.offer("18")
		if most := strangersBurst + int(2*time.Second/strangersInterval) + 1; checked > most {
			t.Errorf("%d of 20,000 bad handshakes were looked at, %d are allowed", checked, most)
		}
		if n := len(w.responder.admission.peers); n > maxPeers {
			t.Errorf("%d peers are remembered", n)
		}
	})
	t.Run("four half-open associations", func(t *testing.T) {
		w := newWorld(t)
		for n := range maxHalfOpen {
			w.accept(fmt.Sprint(n), "1")
		}
		_, req := w.request("17")
		_, err := w.responder.Open(w.now, clientFull, "17", req)
		if r := w.refusal(err, audit.E2EHandshakeFlood); r.SecPDU != nil {
			t.Errorf("it is answered with %s", r.SecPDU)
		}
		wantEvent(t, w.seen, audit.E2EHandshakeFlood)
		if _, err := w.responder.Open(w.now, clientJID+"/x", "17", req); err == nil {
			t.Error("another resource has a budget of its own")
		}
		w.now = w.now.Add(halfOpenLife)
		w.associate()
	})
	t.Run("associations that are confirmed cost no budget", func(t *testing.T) {
		w := newWorld(t)
		for n := range 10 * peerBurst {
			i, acc, server := w.accept(fmt.Sprint(n), "1")
			client, _, err := i.Answer(w.now, serverFull, fmt.Sprint(n, ":1"), acc)
			if err != nil {
				t.Fatal(err)
			}
			w.send(client, server, appData)
		}
	})
	t.Run("handshakes that are given up cost budget", func(t *testing.T) {
		w := newWorld(t)
		for n := range peerBurst {
			_, _, server := w.accept(fmt.Sprint(n), "1")
			server.Close(w.now, "test")
		}
		_, req := w.request("17")
		_, err := w.responder.Open(w.now, clientFull, "17", req)
		w.refusal(err, audit.E2EHandshakeFlood)
	})
}

// errEvent returns the event of a refusal.
func errEvent(err error) audit.ID {
	if r, ok := err.(*Refusal); ok {
		return r.Event
	}
	return ""
}

func TestAdmissionForgetsWhatIsOver(t *testing.T) {
	now := time.Now()
	var a admission
	for n := range maxPeers {
		bare := fmt.Sprint(n)
		a.strangers = bucket{}
		if v, _ := a.try(now, bare); v != admitted {
			t.Fatalf("peer %d: %v", n, v)
		}
		if n < 2 {
			a.register(now, bare, bare+"/x 1")
		}
	}
	if v, _ := a.try(now, "one more"); v != overBudget {
		t.Errorf("the table has no bound: %v", v)
	}
	now = now.Add(peerBurst * peerInterval)
	if v, _ := a.try(now, "one more"); v != admitted {
		t.Errorf("idle peers are not forgotten: %v", v)
	}
	if n := len(a.peers); n != 3 {
		t.Errorf("%d peers are remembered, want the two with associations and the new one", n)
	}
}

func TestAdmissionBoundsTheIDsOfAPeer(t *testing.T) {
	now := time.Now()
	var a admission
	var first *slot
	for n := range maxIDsPerPeer {
		now = now.Add(time.Millisecond)
		s, v := a.register(now, "peer", fmt.Sprint(n))
		if v != admitted {
			t.Fatal(v)
		}
		s.confirm()
		if n == 0 {
			first = s
		}
	}
	if _, v := a.register(now, "peer", "one more"); v != overBudget {
		t.Errorf("one more live association: %v", v)
	}
	first.end(now)
	if _, v := a.register(now, "peer", "one more"); v != admitted {
		t.Errorf("the one that has ended makes no room: %v", v)
	}
	if n := len(a.peers["peer"].slots); n != maxIDsPerPeer {
		t.Errorf("%d ids are remembered", n)
	}
	if _, v := a.register(now, "peer", "one more"); v != idInUse {
		t.Errorf("an id twice: %v", v)
	}
}

func TestResponderIsSafeForConcurrentUse(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for n := range maxHalfOpen {
		id := fmt.Sprint(n)
		i, req := w.request(id)
		wg.Go(func() {
			o, err := w.responder.Open(w.now, clientFull, id, req)
			if err != nil {
				t.Error(err)
				return
			}
			acc, server, err := o.Accept(w.now, id+":1", []byte(appResponse))
			if err != nil {
				t.Error(err)
				return
			}
			client, _, err := i.Answer(w.now, serverFull, id+":1", acc)
			if err != nil {
				t.Error(err)
				return
			}
			w.send(client, server, appData)
			var both sync.WaitGroup
			both.Go(func() {
				for range 50 {
					server.Seal(nil, w.now, []byte(appData))
					server.Next()
				}
			})
			for range 50 {
				w.send(client, server, appData)
			}
			both.Wait()
			server.Close(w.now, "test")
		})
	}
	wg.Wait()
}

// replayKeyOf is the key of PDU n of one of many signers.
func replayKeyOf(n int) (key replayKey) {
	binary.BigEndian.PutUint32(key.signer[:], uint32(n%64))
	binary.BigEndian.PutUint64(key.tbs[:], uint64(n))
	return key
}

func TestReplayCache(t *testing.T) {
	now := time.Now()
	var c ReplayCache
	one, more := replayKeyOf(1), replayKeyOf(maxReplayKeys)
	if c.seen(now, one) || c.store(now, one) != stored || !c.seen(now, one) || c.store(now, one) != alreadyStored {
		t.Error("it does not remember")
	}
	if !c.seen(now.Add(replayLife-1), one) {
		t.Error("it forgets within its time")
	}
	if c.seen(now.Add(replayLife), one) {
		t.Error("it remembers beyond its time")
	}
	for n := range maxReplayKeys {
		if c.store(now, replayKeyOf(n)) != stored {
			t.Fatal("it is full before its bound")
		}
	}
	if c.store(now, more) != cacheFull || c.store(now, one) != alreadyStored {
		t.Error("it is not full at its bound")
	}
	now = now.Add(replayLife)
	if c.store(now, more) != stored || len(c.known) != 1 || len(c.queue) != 1 || len(c.signers) != 1 {
		t.Error("it does not empty")
	}
}

func TestReplayCacheIsShared(t *testing.T) {
	now := time.Now()
	var c ReplayCache
	for n := range maxReplaySigner {
		if c.store(now, replayKeyOf(64*n)) != stored {
			t.Fatal("a signer has less than its share")
		}
	}
	if c.store(now, replayKeyOf(64*maxReplaySigner)) != cacheFull {
		t.Error("a signer takes more than its share")
	}
	if c.store(now, replayKeyOf(1)) != stored {
		t.Error("a signer keeps others out")
	}
}

func TestFullReplayCacheRefuses(t *testing.T) {
	w := newWorld(t)
	signer := sha256.Sum256(w.client.Identity.Chain[0].Raw)
	for n := range maxReplaySigner {
		w.server.Replay.store(w.now, replayKey{signer, replayKeyOf(n).tbs})
	}
	_, req := w.request("17")
	_, err := w.responder.Open(w.now, clientFull, "17", req)
	w.refusal(err, audit.E2EHandshakeFlood)
	wantEvent(t, w.seen, audit.E2EHandshakeFlood)
}

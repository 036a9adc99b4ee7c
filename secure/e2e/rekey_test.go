package e2e

import (
	"bytes"
	"crypto/aes"
	"testing"
	"time"

	"busbar.example/secure/audit"
)

// aged makes an association and lets its keys grow old.
func (w *world) aged() (client, server *Channel) {
	client, server = w.associate()
	w.now = w.now.Add(defaultKeyLife)
	return client, server
}

func TestKeysAreChangedAfterTheirLife(t *testing.T) {
	eachAlgorithm(t, testKeysAreChangedAfterTheirLife)
}

func testKeysAreChangedAfterTheirLife(t *testing.T, newWorld func(testing.TB) *world) {
	w := newWorld(t)
	client, server := w.associate()
	for n := 1; n <= 5; n++ {
		w.now = w.now.Add(defaultKeyLife - time.Millisecond)
		if client.rekey.due(w.now, client.KeyLife) {
			t.Fatal("the keys are due before their time")
		}
		w.now = w.now.Add(time.Millisecond)
		if !client.rekey.due(w.now, client.KeyLife) {
			t.Fatal("the keys are not due after their time")
		}
		before := *client.send
		early := w.seal(server, appData)                                       // on its way when the client proposes
		proposal := w.seal(client, appData)                                    // under the old keys, with the new public key
		more := []string{"<a xmlns='a'/>", "<b xmlns='b'/>", "<c xmlns='c'/>"} // under the old keys, too
		old := [][]byte{w.seal(client, more[0]), w.seal(client, more[1])}
		if !bytes.Contains(proposal, []byte("<rekey>")) || bytes.Contains(old[0], []byte("rekey")) {
			t.Fatal("the new key is not sent once")
		}
		w.deliver(client, early, appData)
		w.deliver(server, proposal, appData)
		w.deliver(server, old[0], more[0])
		change := w.seal(server, appData)
		if !bytes.Contains(change, []byte("<changedKey>true</changedKey>")) {
			t.Fatalf("the server does not change keys: %s", change)
		}
		after := w.seal(server, appData) // the server's first under the new keys
		w.deliver(server, old[1], more[1])
		third := w.seal(client, more[2])
		w.deliver(client, change, appData)
		w.deliver(client, after, appData)
		if client.send.prefix == before.prefix || client.send.counter != 0 || client.Info().Rekeys != n {
			t.Fatal("the client does not change keys")
		}
		first := w.seal(client, appData)
		w.deliver(server, third, more[2])
		w.deliver(server, first, appData)
		if server.Info().Rekeys != n || server.rekey.next != nil {
			t.Fatal("the server keeps the old key")
		}
		w.send(client, server, appData)
		w.send(server, client, appData)
	}
}

// fingerprint tells keys apart without showing them.
func fingerprint(k *trafficKey) string {
	d := *k
	d.counter, d.prefix = 0, [prefixSize]byte{}
	var iv [aes.BlockSize]byte
	switch k.suite.form() {
	case formAEAD:
		return string(d.encrypt(nil, nil, iv[:nonceSize], nil))
	case formCBC:
		return string(d.encrypt(d.icv(nil, nil), nil, iv[:], nil))
	}
	return string(d.icv(nil, nil))
}

func TestKeysOfEachAgreementDiffer(t *testing.T) { eachAlgorithm(t, testKeysOfEachAgreementDiffer) }

func testKeysOfEachAgreementDiffer(t *testing.T, newWorld func(testing.TB) *world) {
	w := newWorld(t)
	seen := map[string]bool{}
	note := func(c *Channel) {
		for _, k := range []*trafficKey{c.send, c.recv} {
			tag := fingerprint(k)
			if seen[tag] {
				t.Error("a key came twice")
			}
			seen[tag] = true
		}
	}
	client, server := w.associate()
	note(client)
	for range 3 {
		w.now = w.now.Add(defaultKeyLife)
		w.send(client, server, appData)
		w.send(server, client, appData)
		w.send(client, server, appData)
		note(client)
	}
}

func TestServerAsksForNewKeys(t *testing.T) { eachAlgorithm(t, testServerAsksForNewKeys) }

func testServerAsksForNewKeys(t *testing.T, newWorld func(testing.TB) *world) {
	w := newWorld(t)
	w.client.KeyLife = maxKeyLife
	client, server := w.associate()
	w.now = w.now.Add(defaultKeyLife)
	w.send(client, server, appData)
	if client.rekey.due(w.now, client.KeyLife) || !server.rekey.due(w.now, server.KeyLife) {
		t.Fatal("only the server's keys are due")
	}
	ask := w.send(server, client, appData)
	if !bytes.Contains(ask, []byte("<reqRekey>true</reqRekey>")) {
		t.Fatalf("the server does not ask: %s", ask)
	}
	if !client.rekey.due(w.now, client.KeyLife) {
		t.Fatal("the client does not grant the wish")
	}
	w.send(client, server, appData)
	w.send(server, client, appData)
	w.send(client, server, appData)
	if a, b := client.Info().Rekeys, server.Info().Rekeys; a != 1 || b != 1 {
		t.Errorf("%d and %d changes, want one each", a, b)
	}
	if reply := w.send(server, client, appData); bytes.Contains(reply, []byte("reqRekey")) {
		t.Errorf("the server asks again: %s", reply)
	}
}

func TestServerMayNotDriveTheClientToNewKeysAllTheTime(t *testing.T) {
	w := newWorld(t)
	client, server := w.associate()
	server.KeyLife = 0
	w.now = w.now.Add(minKeyLife - time.Millisecond)
	w.send(server, client, appData)
	if client.rekey.due(w.now, client.KeyLife) {
		t.Error("the client grants the wish before the keys have had their minimum")
	}
}

// TestE10: key changes that nobody agreed to.
func TestE10(t *testing.T) { eachAlgorithm(t, testE10) }

func testE10(t *testing.T, newWorld func(testing.TB) *world) {
	newSet := func(group string) *DiffieHellmanSet {
		key, err := newKeyPair(GroupP256)
		if err != nil {
			t.Fatal(err)
		}
		set := key.public()
		set.Group = group
		return &set
	}
	t.Run("a second key before the change", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.aged()
		w.send(client, server, appData)
		octets := w.sealed(client, func(t *ClearToken2) { t.Rekey = newSet(GroupP256.number()) })
		r := w.refusedBy(server, octets, audit.E2ERekey)
		w.wantDtSecAbort(client, r)
		if r.Told != "unexpected-dhPublicKey" {
			t.Errorf("told %q", r.Told)
		}
	})
	t.Run("a second key before the first PDU under the new keys", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.aged()
		w.send(client, server, appData)
		w.seal(server, appData)
		octets := w.sealed(client, func(t *ClearToken2) { t.Rekey = newSet(GroupP256.number()) })
		w.refusedBy(server, octets, audit.E2ERekey)
	})
	t.Run("the key of the handshake again", func(t *testing.T) {
		w := newWorld(t)
		i, req := w.request("17")
		public := i.key.public().PublicKey
		o, err := w.responder.Open(w.now, clientFull, "17", req)
		if err != nil {
			t.Fatal(err)
		}
		acc, server, err := o.Accept(w.now, "17:934", []byte(appResponse))
		if err != nil {
			t.Fatal(err)
		}
		client, _, err := i.Answer(w.now, serverFull, "17:934", acc)
		if err != nil {
			t.Fatal(err)
		}
		octets := w.sealed(client, func(t *ClearToken2) { t.Rekey = &DiffieHellmanSet{GroupP256.number(), public} })
		w.refusedBy(server, octets, audit.E2ERekey)
	})
	t.Run("a key of before again", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.aged()
		w.send(client, server, appData)
		public := bytes.Clone(client.token.Rekey.PublicKey)
		w.send(server, client, appData)
		w.send(client, server, appData)
		octets := w.sealed(client, func(t *ClearToken2) { t.Rekey = &DiffieHellmanSet{GroupP256.number(), public} })
		w.refusedBy(server, octets, audit.E2ERekey)
	})
	t.Run("a key of another group", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		w.refusedBy(server, w.sealed(client, func(t *ClearToken2) { t.Rekey = newSet("14") }), audit.E2ERekey)
	})
	t.Run("a key off the curve", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		set := newSet(GroupP256.number())
		set.PublicKey[64] ^= 1
		w.refusedBy(server, w.sealed(client, func(t *ClearToken2) { t.Rekey = set }), audit.E2EKeyShare)
	})
	t.Run("more keys than a day has quarters", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		server.rekey.changes = maxRekeys
		w.refusedBy(server, w.sealed(client, func(t *ClearToken2) { t.Rekey = newSet(GroupP256.number()) }), audit.E2ERekey)
	})
	t.Run("changedKey unasked", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		octets := w.sealed(server, func(t *ClearToken2) { t.ChangedKey = &yes })
		r := w.refusedBy(client, octets, audit.E2ERekey)
		if r.Told != "unexpected-changedKeys" {
			t.Errorf("told %q", r.Told)
		}
	})
	t.Run("changedKey twice", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.aged()
		w.send(client, server, appData)
		w.send(server, client, appData)
		octets := w.sealed(server, func(t *ClearToken2) { t.ChangedKey = &yes })
		w.refusedBy(client, octets, audit.E2ERekey)
	})
	t.Run("changedKey of the client", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		r := w.refusedBy(server, w.sealed(client, func(t *ClearToken2) { t.ChangedKey = &yes }), audit.E2ERekey)
		if r.Told != "protocol-error" {
			t.Errorf("told %q", r.Told)
		}
	})
	t.Run("reqRekey of the client", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		w.refusedBy(server, w.sealed(client, func(t *ClearToken2) { t.ReqRekey = &yes }), audit.E2ERekey)
	})
	t.Run("key of the server", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		w.refusedBy(client, w.sealed(server, func(t *ClearToken2) { t.Rekey = newSet(GroupP256.number()) }), audit.E2ERekey)
	})
	t.Run("the client's old key after the change", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.aged()
		w.send(client, server, appData)
		old := *client.send
		w.send(server, client, appData)
		w.send(client, server, appData)
		client.send = &old
		w.refusedBy(server, w.seal(client, appData), w.ids().icv)
	})
	t.Run("the server's old key after the change", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.aged()
		w.send(client, server, appData)
		old := server.send
		w.send(server, client, appData)
		server.send = old
		w.refusedBy(client, w.seal(server, appData), w.ids().icv)
	})
	t.Run("replay of the proposal after the change", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.aged()
		proposal := w.send(client, server, appData)
		w.send(server, client, appData)
		w.send(client, server, appData)
		w.refusedBy(server, proposal, w.ids().icv)
	})
	t.Run("a key past its day", func(t *testing.T) {
		w := newWorld(t)
		w.client.KeyLife, w.server.KeyLife = maxKeyLife, maxKeyLife
		w.responder = w.newResponder()
		client, server := w.associate()
		w.now = w.now.Add(maxKeyLife)
		if !server.Expire(w.now) || !client.Expire(w.now) {
			t.Error("it is still in use")
		}
		w.wantEnded(client, server)
	})
}

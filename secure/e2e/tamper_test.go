package e2e

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

// A target is a PDU on its way and what its receiver makes of it. open may be called any number of
// times; each call meets the receiver in the same state.
type target struct {
	name   string
	data   bool
	octets []byte
	trail  func() *audit.Memory
	open   func(octets []byte) (got string, err error)
}

// An idleSigner saves the time of signatures that nobody verifies: those of refusals, one for each changed octet.
type idleSigner struct{ crypto.Signer }

func (idleSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 70), nil
}

// idle returns the identity without its signatures.
func idle(id *pki.Identity) *pki.Identity {
	return &pki.Identity{Chain: id.Chain, Key: idleSigner{id.Key}}
}

// targets makes one PDU of every kind.
func targets(w *world) []target {
	var list []target
	trail := new(audit.Memory)
	add := func(name string, octets []byte, open func([]byte) (string, error)) {
		list = append(list, target{name, strings.HasPrefix(name, "Transfer"), octets, func() *audit.Memory { return trail }, func(o []byte) (string, error) {
			*trail = audit.Memory{}
			return open(o)
		}})
	}
	w.client.Audit, w.server.Audit = trail, trail
	w.responder = w.newResponder()

	answer := func(i *Initiator, assoID string) func([]byte) (string, error) {
		now, asked := w.now, *i
		return func(octets []byte) (string, error) {
			i, e := asked, *asked.endpoint
			e.Replay, e.Identity = new(ReplayCache), idle(e.Identity)
			i.endpoint = &e
			c, data, err := i.Answer(now, serverFull, assoID, octets)
			var rejected *Rejected
			var refused *SecRejected
			switch {
			case errors.As(err, &rejected):
				return "rejected: " + string(rejected.ApplData), nil
			case errors.As(err, &refused):
				return "refused: " + refused.Diagnostic.String(), nil
			case err != nil:
				return "", err
			}
			return c.assoID + ": " + string(data), nil
		}
	}
	channel := func(c *Channel) func([]byte) (string, error) {
		now := w.now
		return func(octets []byte) (string, error) {
			d := clone(c)
			d.Identity = idle(d.Identity)
			got, err := d.Open(now, d.peer.address, d.assoID, octets)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%v %s %v %s", got.Kind, got.ApplData, got.Time, got.Diagnostic), nil
		}
	}

	now := w.now
	i, req := w.request("17")
	add("HandshakeReq", req, func(octets []byte) (string, error) {
		cfg := w.server
		cfg.Replay, cfg.Identity = new(ReplayCache), idle(cfg.Identity)
		r, err := NewResponder(cfg)
		if err != nil {
			return "", err
		}
		o, err := r.Open(now, clientFull, "17", octets)
		if err != nil {
			return "", err
		}
		return string(o.ApplData()), nil
	})
	o, err := w.responder.Open(w.now, clientFull, "17", req)
	check(w, err)
	acc, server, err := o.Accept(w.now, "17:934", []byte(appResponse))
	check(w, err)
	add("HandshakeAcc", acc, answer(i, "17:934"))

	i2, o2 := w.offer("18")
	rej, err := o2.Reject(w.now, "18", []byte(appError))
	check(w, err)
	add("ApplicationReject", rej, answer(i2, "18"))

	i3, _ := w.request("19")
	_, err = w.responder.Open(w.now, clientFull, "19", w.forgedRequest(w.client, func(p *HandshakeReq) {
		p.TBS.Token1.AssoID, p.TBS.Token1.DHKey.Group = "19", "14"
	}))
	add("HandshakeSecReject", w.refusal(err, audit.E2EDowngrade).SecPDU, answer(i3, "19"))

	i4, _ := w.request("17")
	_, _, err = i4.Answer(w.now, serverFull, "17:934", []byte("<"))
	add("HandshakeSecAbort", w.refusal(err, audit.E2ECanonical).SecPDU, channel(clone(server)))

	client, _, err := i.Answer(w.now, serverFull, "17:934", acc)
	check(w, err)
	first := w.seal(client, appData)
	add("Transfer, the first", first, channel(clone(server)))
	w.deliver(server, first, appData)
	reply := w.seal(server, appData)
	add("Transfer of the server", reply, channel(clone(client)))
	w.deliver(client, reply, appData)

	w.now = w.now.Add(defaultKeyLife)
	rekey := w.seal(client, appData)
	add("Transfer with rekey", rekey, channel(clone(server)))
	w.deliver(server, rekey, appData)
	changed := w.seal(server, appData)
	add("Transfer with changedKey", changed, channel(clone(client)))
	w.deliver(client, changed, appData)
	fresh := w.seal(client, appData)
	add("Transfer under new keys", fresh, channel(clone(server)))
	w.deliver(server, fresh, appData)

	for name, make := range map[string]func(*Channel) ([]byte, error){
		"DtSecAbort": func(c *Channel) ([]byte, error) { return c.SecAbort(w.now, DtProtocolError) },
		"ApplAbort":  func(c *Channel) ([]byte, error) { return c.Abort(w.now, []byte(appError)) },
		"ReleaseReq": func(c *Channel) ([]byte, error) { return c.ReleaseRequest(w.now) },
	} {
		octets, err := make(clone(client))
		check(w, err)
		add(name, octets, channel(clone(server)))
	}
	releasing, released := clone(client), clone(server)
	ask, err := releasing.ReleaseRequest(w.now)
	check(w, err)
	_, err = released.Open(w.now, clientFull, "17:934", ask)
	check(w, err)
	rsp, err := released.ReleaseResponse(w.now)
	check(w, err)
	add("ReleaseRsp", rsp, channel(releasing))
	return list
}

func check(w *world, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// clone copies a channel with all that it will change, and gives it a replay cache of its own.
func clone(c *Channel) *Channel {
	key := func(k *trafficKey) *trafficKey {
		if k == nil {
			return nil
		}
		d := *k
		return &d
	}
	e := *c.endpoint
	e.Replay = new(ReplayCache)
	d := &Channel{
		endpoint: &e, peer: c.peer, side: c.side, assoID: c.assoID, suite: c.suite, group: c.group, icvAlg: c.icvAlg, icvAlgXML: c.icvAlgXML, began: c.began, ends: c.ends,
		state: c.state, deadline: c.deadline, confirmed: c.confirmed,
		send: key(c.send), recv: key(c.recv), sent: c.sent, opened: c.opened, rekey: c.rekey,
	}
	if n := c.rekey.next; n != nil {
		d.rekey.next = &nextKeys{send: key(n.send), recv: key(n.recv), chain: n.chain, salt: n.salt}
	}
	if c.rekey.used != nil {
		d.rekey.used = map[[32]byte]struct{}{}
		for k := range c.rekey.used {
			d.rekey.used[k] = struct{}{}
		}
	}
	return d
}

// canonical returns the canonical form of octets, nil if there is none.
func canonical(octets []byte) []byte {
	c, err := xmltok.Canonicalize(nil, octets, "", xmltok.Limits{})
	if err != nil {
		return nil
	}
	return c
}

// TestE3: every octet of every PDU is changed, and ends are cut off. Nothing of it is taken, and all of it is on record.
func TestE3(t *testing.T) { eachAlgorithm(t, testE3) }

func testE3(t *testing.T, newWorld func(testing.TB) *world) {
	w := newWorld(t)
	alg := w.client.Algorithms[0]
	for _, g := range targets(w) {
		// What is signed is the same with all algorithms, but for the handshake, which is so with
		// those of one kind.
		handshake := g.name == "HandshakeReq" || g.name == "HandshakeAcc"
		if !g.data && alg != AES256GCM && !(handshake && alg == HMACSHA256) {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			if _, err := g.open(g.octets); err != nil {
				t.Fatalf("the genuine PDU is refused: %v", err)
			}
			try := func(octets []byte, what string, at int) {
				got, err := g.open(octets)
				if err == nil {
					t.Fatalf("octet %d %s: taken as %q in %s", at, what, got, octets)
				}
				var r *Refusal
				if !errors.As(err, &r) || got != "" {
					t.Fatalf("octet %d %s: got %q, %v, want a refusal", at, what, got, err)
				}
				if alg.Mode() == Encrypted && (bytes.Contains(r.SecPDU, []byte("confirmed")) || strings.Contains(err.Error(), "confirmed")) {
					t.Fatalf("octet %d %s: plaintext in %v", at, what, r)
				}
				if !slices.ContainsFunc(g.trail().Events(), func(e audit.Event) bool {
					return e.ID == r.Event && (e.Severity() == audit.Alarm || e.Severity() == audit.Error)
				}) {
					t.Fatalf("octet %d %s: no event for %v", at, what, r)
				}
			}
			octets := bytes.Clone(g.octets)
			for at := range octets {
				// The race detector finds nothing in one octet that it does not find in the next. Algorithms of
				// a kind leave out different octets; certificates are the same in all that is signed.
				if raceEnabled && (alg != AES256GCM && at%4 != int(alg)%4 || at%16 != 0 && inCertificate(octets, at)) {
					continue
				}
				octets[at] ^= 0x01
				try(octets, "^ 0x01", at)
				octets[at] ^= 0x01
			}
			for n := 0; n < len(octets); n += 1 + len(octets)/64 {
				try(octets[:n], "and the rest cut off", n)
			}
			try(append(bytes.Clone(octets), octets...), "and all of it again", len(octets))
			try(append(bytes.Clone(octets), "<x/>"...), "and something more", len(octets))
		})
	}
}

// inCertificate reports whether an octet of a PDU is one of a certificate.
func inCertificate(octets []byte, at int) bool {
	begin := bytes.Index(octets, []byte("<pkCert>"))
	end := max(bytes.LastIndex(octets, []byte("</pkCert>")), bytes.LastIndex(octets, []byte("</OCTET_STRING>")))
	return begin >= 0 && at > begin+len("<pkCert>") && at < end
}

// style is how a server on the way may write XML that means the same.
type style struct {
	prefix, quote string
	space         bool // white space between elements
	open          bool // <x></x> for an empty element
	text          func(string) string
}

// rewrite writes XML again in a style.
func rewrite(t *testing.T, octets []byte, s style) []byte {
	if s.text == nil {
		s.text = func(text string) string { return string(xmltok.AppendEscaped(nil, text)) }
	}
	scanner := xmltok.NewBytesScanner(octets, xmltok.Limits{})
	var b strings.Builder
	var spaces []string
	last := xmltok.End
	for {
		token, err := scanner.Next()
		if err == io.EOF {
			return []byte(b.String())
		} else if err != nil {
			t.Fatal(err)
		}
		name := s.prefix + token.Name.Local
		switch token.Kind {
		case xmltok.Start:
			if s.space {
				b.WriteString("\n\t ")
			}
			b.WriteString("<" + name)
			if len(spaces) == 0 || spaces[len(spaces)-1] != token.Name.Space {
				declare := " xmlns"
				if s.prefix != "" {
					declare += ":" + strings.TrimSuffix(s.prefix, ":")
				}
				b.WriteString(declare + "=" + s.quote + token.Name.Space + s.quote)
			}
			spaces = append(spaces, token.Name.Space)
			for _, a := range token.Attrs {
				b.WriteString(" " + a.Name.Local + "=" + s.quote + string(a.Value) + s.quote)
			}
			b.WriteString(">")
		case xmltok.Text:
			b.WriteString(s.text(string(token.Data)))
		case xmltok.End:
			spaces = spaces[:len(spaces)-1]
			switch {
			case last == xmltok.Start && !s.open:
				kept := strings.TrimSuffix(b.String(), ">")
				b.Reset()
				b.WriteString(kept + " />")
			case last == xmltok.End && s.space:
				b.WriteString("\n</" + name + " >")
			default:
				b.WriteString("</" + name + ">")
			}
		}
		last = token.Kind
	}
}

// TestE12: XML that a server on the way has written anew still verifies and means the same; what
// would let two readers see two things is refused.
func TestE12(t *testing.T) { eachAlgorithm(t, testE12) }

func testE12(t *testing.T, newWorld func(testing.TB) *world) {
	references := func(text string) string {
		var b strings.Builder
		for i, c := range []byte(text) {
			if i%2 == 0 {
				fmt.Fprintf(&b, "&#%d;", c)
			} else {
				fmt.Fprintf(&b, "&#x%X;", c)
			}
		}
		return b.String()
	}
	w := newWorld(t)
	for _, g := range targets(w) {
		want, err := g.open(g.octets)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name  string
			style style
		}{
			{"quotes", style{quote: `"`}},
			{"prefix", style{quote: "'", prefix: "e2e:"}},
			{"white space", style{quote: "'", space: true}},
			{"empty form", style{quote: "'", open: true}},
			{"CDATA", style{quote: "'", text: func(s string) string { return "<![CDATA[" + s + "]]>" }}},
			{"references", style{quote: "'", text: references}},
			{"all at once", style{quote: `"`, prefix: "x:", space: true, open: true, text: references}},
		} {
			t.Run(g.name+", "+tt.name, func(t *testing.T) {
				octets := rewrite(t, g.octets, tt.style)
				if bytes.Equal(octets, g.octets) && tt.name != "empty form" {
					t.Fatal("nothing was rewritten")
				}
				got, err := g.open(octets)
				if err != nil {
					t.Fatalf("%v\n%s", err, octets)
				}
				if got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		}
		end := bytes.LastIndex(g.octets, []byte("</"))
		for _, tt := range []struct {
			name   string
			octets []byte
		}{
			{"comment", slices.Concat(g.octets[:end], []byte("<!-- -->"), g.octets[end:])},
			{"processing instruction", slices.Concat(g.octets[:end], []byte("<?x y?>"), g.octets[end:])},
			{"document type", slices.Concat([]byte("<!DOCTYPE x>"), g.octets)},
			{"text beside elements", slices.Concat(g.octets[:end], []byte("x"), g.octets[end:])},
			{"attribute", bytes.Replace(g.octets, []byte(" xmlns="), []byte(" x='y' xmlns="), 1)},
			{"foreign element", slices.Concat(g.octets[:end], []byte("<x xmlns='urn:x'/>"), g.octets[end:])},
			{"space in a leaf", bytes.Replace(g.octets, []byte("<algorithm>1"), []byte("<algorithm> 1"), 1)},
			{"line in a leaf", bytes.Replace(g.octets, []byte("<assoID>1"), []byte("<assoID>\n1"), 1)},
			{"carriage return", bytes.Replace(g.octets, []byte("<assoID>1"), []byte("<assoID>&#13;1"), 1)},
			{"another namespace", bytes.Replace(g.octets, []byte("E2E_4"), []byte("E2E_5"), 1)},
			{"attribute on a tag that is not signed", bytes.Replace(bytes.Replace(g.octets,
				[]byte("<tbs>"), []byte("<tbs x='y'>"), 1), []byte("<tbp>"), []byte("<tbp x='y'>"), 1)},
			{"attribute on the tag of token2", bytes.Replace(g.octets, []byte("<token2>"), []byte("<token2 seq='0'>"), 1)},
		} {
			if bytes.Equal(tt.octets, g.octets) {
				continue // this PDU has no such place
			}
			t.Run(g.name+", "+tt.name, func(t *testing.T) {
				if got, err := g.open(tt.octets); err == nil {
					t.Errorf("taken as %s: %s", got, tt.octets)
				} else if len(g.trail().Events()) == 0 {
					t.Error("no event")
				}
			})
		}
	}
}

// TestE13: a server in the middle that alters, drops, delays, duplicates and reorders as it likes.
// Each end sees the beginning of what the other has sent, in order and once, or nothing.
func TestE13(t *testing.T) { eachAlgorithm(t, testE13) }

func testE13(t *testing.T, newWorld func(testing.TB) *world) {
	seeds := uint64(50)
	if raceEnabled {
		seeds = 10
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 13))
		w := newWorld(t)
		client, server := w.associate()
		began := map[*Channel]int{client: countEvents(w.heard, audit.E2EEnded), server: countEvents(w.seen, audit.E2EEnded)}
		sent, seen := map[*Channel][]string{}, map[*Channel][]string{}
		wire := map[*Channel][][]byte{}
		peer := map[*Channel]*Channel{client: server, server: client}
		for step := range 40 {
			from := []*Channel{client, server}[r.IntN(2)]
			to := peer[from]
			w.now = w.now.Add(time.Duration(r.IntN(3)) * time.Minute)
			data := fmt.Sprintf("<pdu xmlns='urn:x'>%d</pdu>", step)
			if octets, err := from.Seal(nil, w.now, []byte(data)); err == nil {
				sent[from] = append(sent[from], data)
				wire[from] = append(wire[from], octets)
			}
			if len(wire[from]) == 0 {
				continue
			}
			at, attack := 0, r.IntN(60)
			octets := bytes.Clone(wire[from][0])
			switch attack {
			case 0:
				octets[r.IntN(len(octets))] ^= byte(1 + r.IntN(255))
			case 1:
				at = r.IntN(len(wire[from]))
				octets = bytes.Clone(wire[from][at])
			case 2:
				octets = bytes.Clone(wire[from][0])
				wire[from] = append([][]byte{octets}, wire[from]...) // it comes again
			case 3:
				wire[from] = wire[from][1:] // it never comes
				continue
			case 4:
				w.now = w.now.Add(maxSkew + time.Second)
			case 5:
				if len(wire[to]) > 0 {
					octets = bytes.Clone(wire[to][0]) // reflected
				}
			}
			wire[from] = slices.Delete(wire[from], at, at+1)
			if got, err := to.Open(w.now, to.peer.address, to.assoID, octets); err == nil {
				seen[from] = append(seen[from], string(got.ApplData))
			}
		}
		for from := range peer {
			if n := len(seen[from]); n > len(sent[from]) || !slices.Equal(seen[from], sent[from][:n]) {
				t.Fatalf("seed %d: sent %q, seen %q", seed, sent[from], seen[from])
			}
			if trail := map[*Channel]*audit.Memory{client: w.heard, server: w.seen}[from]; from.Expire(w.now) != (countEvents(trail, audit.E2EEnded) > began[from]) {
				t.Fatalf("seed %d: the end of an association is not on record", seed)
			}
		}
	}
}

// TestE14: what crashes begins anew, under keys that were never used.
func TestE14(t *testing.T) { eachAlgorithm(t, testE14) }

func testE14(t *testing.T, newWorld func(testing.TB) *world) {
	w := newWorld(t)
	seen := map[string]bool{}
	var stale []byte
	for range 5 {
		w.client.Replay, w.server.Replay = new(ReplayCache), new(ReplayCache)
		w.responder = w.newResponder()
		client, server := w.associate()
		for _, c := range []*Channel{client, server} {
			tag := fingerprint(c.send)
			if seen[tag] {
				t.Fatal("a key came twice")
			}
			seen[tag] = true
		}
		if stale != nil {
			w.refusedBy(clone(server), stale, w.ids().icv)
		}
		stale = w.seal(client, appData)
	}
}

package e2e

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"busbar.example/internal/asn1/xer"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

const (
	clientJID  = "scada@dso.example"
	clientFull = "scada@dso.example/IEC"
	serverJID  = "pv1@dso.example"
	serverFull = "pv1@dso.example/IEC"
	otherJID   = "mallory@dso.example"
	otherFull  = "mallory@dso.example/IEC"

	appNamespace = "http://www.iec.ch/61850/2018/SCSM_8_2"
	appRequest   = "<initiate-RequestPDU xmlns='" + appNamespace + "'><version>1</version></initiate-RequestPDU>"
	appResponse  = "<initiate-ResponsePDU xmlns='" + appNamespace + "'><version>1</version></initiate-ResponsePDU>"
	appError     = "<initiate-ErrorPDU xmlns='" + appNamespace + "'><errorClass/></initiate-ErrorPDU>"
	appData      = "<confirmed-RequestPDU xmlns='" + appNamespace + "'><invokeID>17</invokeID></confirmed-RequestPDU>"
)

// authorities are made once: keys cost time, and no test changes them.
var authorities = sync.OnceValue(func() (a struct {
	root, issuing *pki.CA
	trust         *pki.Trust
	client        *pki.Identity
	server        *pki.Identity
	other         *pki.Identity
}) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	a.root, err = pki.NewRoot(pki.E2E, "dso.example")
	must(err)
	a.issuing, err = a.root.NewIssuing()
	must(err)
	a.trust, err = pki.NewTrust([]*x509.Certificate{a.root.Certificate()}, nil)
	must(err)
	a.client, err = a.issuing.IssueE2E(clientJID, []rbac.Grant{(*rbac.Policy)(nil).NewGrant(rbac.Operator, "*")})
	must(err)
	a.server, err = a.issuing.IssueE2E(serverJID, nil)
	must(err)
	a.other, err = a.issuing.IssueE2E(otherJID, nil)
	must(err)
	return a
})

// A world has a client and a server, their audit trails, and a clock.
type world struct {
	t              testing.TB
	now            time.Time
	client, server Config
	heard, seen    *audit.Memory // by client and by server
	responder      *Responder
}

func newWorld(t testing.TB) *world {
	a := authorities()
	w := &world{t: t, now: time.Now(), heard: new(audit.Memory), seen: new(audit.Memory)}
	w.client = Config{Identity: a.client, Trust: a.trust, Audit: w.heard, Replay: new(ReplayCache)}
	w.server = Config{Identity: a.server, Trust: a.trust, Audit: w.seen, Replay: new(ReplayCache)}
	w.responder = w.newResponder()
	return w
}

// use makes both ends use one algorithm.
func (w *world) use(a Algorithm) {
	for _, cfg := range []*Config{&w.client, &w.server} {
		cfg.Mode, cfg.Algorithms = a.Mode(), []Algorithm{a}
	}
	w.responder = w.newResponder()
}

// eachAlgorithm runs a test with every algorithm.
func eachAlgorithm(t *testing.T, test func(t *testing.T, newWorld func(testing.TB) *world)) {
	for a := AES256GCM; a.known(); a++ {
		t.Run(a.String(), func(t *testing.T) {
			test(t, func(t testing.TB) *world {
				w := newWorld(t)
				w.use(a)
				return w
			})
		})
	}
}

// ids are the events of data in the mode of the world.
func (w *world) ids() transferEvents { return (&transfer{mode: w.client.Mode}).events() }

func (w *world) newResponder() *Responder {
	r, err := NewResponder(w.server)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) newInitiator() *Initiator {
	i, err := NewInitiator(w.client, serverJID)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

// request begins a handshake.
func (w *world) request(id string) (*Initiator, []byte) {
	i := w.newInitiator()
	req, err := i.Request(w.now, id, []byte(appRequest))
	if err != nil {
		w.t.Fatal(err)
	}
	return i, req
}

// offer lets the server read a handshake.
func (w *world) offer(id string) (*Initiator, *Offer) {
	i, req := w.request(id)
	o, err := w.responder.Open(w.now, clientFull, id, req)
	if err != nil {
		w.t.Fatal(err)
	}
	return i, o
}

// accept lets the server accept a handshake.
func (w *world) accept(id, server string) (*Initiator, []byte, *Channel) {
	i, o := w.offer(id)
	acc, c, err := o.Accept(w.now, id+":"+server, []byte(appResponse))
	if err != nil {
		w.t.Fatal(err)
	}
	return i, acc, c
}

// associate makes an association and confirms it with a first PDU.
func (w *world) associate() (client, server *Channel) {
	i, acc, server := w.accept("17", "934")
	client, _, err := i.Answer(w.now, serverFull, "17:934", acc)
	if err != nil {
		w.t.Fatal(err)
	}
	w.send(client, server, appData)
	w.send(server, client, appData)
	return client, server
}

func (w *world) seal(c *Channel, data string) []byte {
	w.t.Helper()
	octets, err := c.Seal(nil, w.now, []byte(data))
	if err != nil {
		w.t.Fatal(err)
	}
	return octets
}

// sealed seals a PDU after the test has put into its token what does not belong there.
func (w *world) sealed(c *Channel, edit func(*ClearToken2)) []byte {
	w.t.Helper()
	at, seq := c.sent.next(w.now)
	t := &c.token
	*t = ClearToken2{AssoID: c.assoID, Time: timestamp(at), Seq: seq, IV: c.send.iv(nil)}
	edit(t)
	var err error
	if c.token2, err = xer.AppendContent(nil, token2Type, t); err != nil {
		w.t.Fatal(err)
	}
	octets := c.encodeTransfer(nil, c.send, t.IV, []byte(appData))
	c.send.counter++
	return octets
}

// send carries one PDU over and expects it on the other side.
func (w *world) send(from, to *Channel, data string) []byte {
	w.t.Helper()
	octets := w.seal(from, data)
	w.deliver(to, octets, data)
	return octets
}

func (w *world) deliver(to *Channel, octets []byte, data string) {
	w.t.Helper()
	got, err := to.Open(w.now, to.peer.address, to.assoID, octets)
	if err != nil {
		w.t.Fatalf("opening %s: %v", octets, err)
	}
	if got.Kind != KindData || string(got.ApplData) != data {
		w.t.Fatalf("got %v %q, want data %q", got.Kind, got.ApplData, data)
	}
}

// refusedBy checks that c refuses octets, releases nothing, ends, and records the event.
func (w *world) refusedBy(c *Channel, octets []byte, event audit.ID) *Refusal {
	w.t.Helper()
	got, err := c.Open(w.now, c.peer.address, c.assoID, octets)
	r := w.refusal(err, event)
	if got.Kind != 0 || got.ApplData != nil {
		w.t.Fatalf("a refused PDU gave %v %q", got.Kind, got.ApplData)
	}
	if !c.Expire(w.now) {
		w.t.Fatal("the association goes on after a refusal")
	}
	trail := w.heard
	if c.side == serverSide {
		trail = w.seen
	}
	wantEvent(w.t, trail, event)
	return r
}

// refusal checks that err is a refusal with that event.
func (w *world) refusal(err error, event audit.ID) *Refusal {
	w.t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		w.t.Fatalf("got the error %v, want a refusal %s", err, event)
	}
	if r.Event != event {
		w.t.Fatalf("got %v with the event %s, want %s", r, r.Event, event)
	}
	return r
}

// wantEvent checks that the trail holds the event.
func wantEvent(t testing.TB, trail *audit.Memory, id audit.ID) {
	t.Helper()
	if !slices.ContainsFunc(trail.Events(), func(e audit.Event) bool { return e.ID == id }) {
		t.Errorf("no event %s (%s) among %v", id, id.Mnemonic(), trail.Events())
	}
}

func countEvents(trail *audit.Memory, id audit.ID) (n int) {
	for _, e := range trail.Events() {
		if e.ID == id {
			n++
		}
	}
	return n
}

// change replaces what stands once in octets.
func change(t testing.TB, octets []byte, old, new string) []byte {
	t.Helper()
	if n := bytes.Count(octets, []byte(old)); n == 0 {
		t.Fatalf("%q is not in %s", old, octets)
	}
	return bytes.Replace(octets, []byte(old), []byte(new), 1)
}

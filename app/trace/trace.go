// Package trace makes visible what a client does: each step from TCP to the last PDU of an association, as a
// sequence chart for people or as JSON lines for programs, while it happens. It shows no secret: no key, and
// nothing of what SASL exchanges. What end-to-end security protects it shows as this end reads it.
package trace

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"busbar.example/app/site"
	"busbar.example/scsm/xmpp82"
	"busbar.example/xmpp"
)

// Options says what a Tracer prints. The zero value is a chart of 100 columns in ASCII without colour.
type Options struct {
	Client, Peer string // who speaks with whom
	Direct       bool   // over TCP, with no broker between
	JSON         bool   // JSON lines instead of a chart
	Raw          bool   // the XML of stanzas and PDUs too
	Width        int    // columns of the chart, at least 80; default 100
	Color        bool   // for a terminal
	Unicode      bool   // lines and arrows that are not ASCII
}

// Tracer prints what its hooks are told. It is safe for concurrent use.
type Tracer struct {
	raw   bool
	began time.Time
	show  interface{ event(*event) }
	out   io.Writer
	json  bool

	mu      sync.Mutex
	last    time.Time // end of the step before, of setting up the stream
	clear   bool      // a stream has been opened on the connection, and TLS is not up
	arrived map[arrival][]came
	waiting int // stanzas in arrived
	held    int // octets of their XML
	calls   map[call]asked
	sum     summary
	offers  *event // features that are not told yet: mechanisms may follow
	ended   string // why the association has ended, where that is an error
	failed  bool   // it has been told why it fails
	closed  bool
}

// New begins a trace on out.
func New(out io.Writer, o Options) *Tracer {
	t := &Tracer{raw: o.Raw, began: time.Now(), out: out, json: o.JSON,
		arrived: make(map[arrival][]came), calls: make(map[call]asked)}
	t.last = t.began
	if o.JSON {
		t.show = &jsonLines{out}
	} else {
		t.show = newChart(out, o)
	}
	t.show.event(&event{Event: beginEvent, Version: Version, Client: o.Client, Peer: o.Peer})
	return t
}

// Hooks are what a site's Party has to be given to be traced.
func (t *Tracer) Hooks() (*xmpp.Trace, *xmpp82.Trace) {
	return &xmpp.Trace{
			Connecting: t.connecting, Connected: t.connected, Opened: t.opened, Features: t.features, Mechanisms: t.mechanisms,
			Secured: t.tlsUp, Insecure: t.insecure, Authenticated: t.authenticated, Bound: t.bound, Failed: t.negotiationFailed,
			Ended: t.streamEnded, Sent: t.stanzaSent, Received: t.stanzaReceived, Octets: t.octets,
		}, &xmpp82.Trace{
			Carried: t.carried, Established: t.established, Ended: t.associationEnded,
		}
}

// Results is where the traced command prints its results, which must be JSON lines where the trace is: each
// becomes an event. In a chart they stand as they are.
func (t *Tracer) Results() io.Writer { return (*results)(t) }

type results Tracer

// Write prints whole lines. Where the trace is JSON, what is not JSON is an error, and not printed.
func (r *results) Write(b []byte) (int, error) {
	t := (*Tracer)(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !t.json:
		return t.out.Write(b)
	case len(b) == 0: // a table without lines
		return 0, nil
	case !json.Valid(b):
		return 0, errors.New("a result that is not JSON cannot stand among JSON lines")
	}
	t.tell(&event{Event: resultEvent, Result: b})
	return len(b), nil
}

// Close ends the trace with what it was all together, and with why it ended, where that is an error that no
// step has told.
func (t *Tracer) Close(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && !t.failed && (t.ended == "" || !strings.Contains(err.Error(), t.ended)) {
		t.fail("", err)
	}
	t.closed = true
	t.sum.Total = millis(time.Since(t.began))
	t.show.event(&event{Event: summaryEvent, At: t.sum.Total, Summary: &t.sum})
}

// tell prints an event. t.mu is held.
func (t *Tracer) tell(e *event) {
	if t.closed {
		return
	}
	if offers := t.offers; offers != nil {
		t.offers = nil
		t.tell(offers)
	}
	e.At = millis(time.Since(t.began))
	t.show.event(e)
}

// fail tells what has failed, and what the user can do about it. t.mu is held.
func (t *Tracer) fail(step string, err error) {
	t.failed = true
	t.tell(&event{Event: failedEvent, Error: &failure{Step: step, Text: err.Error(), Hint: site.HintFor(err)}})
}

// step is how long the step took that ends now. t.mu is held.
func (t *Tracer) step() millis {
	now := time.Now()
	took := now.Sub(t.last)
	t.last = now
	return millis(took)
}

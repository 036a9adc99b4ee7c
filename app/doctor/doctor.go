// Package doctor walks the way from a party of a site to an association with an IED, one step after the other, and says
// at the first fault what is wrong and what to do.
package doctor

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// A Step is a part of the way. Each rests on those before it.
type Step string

// The steps, in their order.
const (
	Folder      Step = "site"        // busbar.yaml, trust anchors, revocation lists
	Keys        Step = "keys"        // what the party shows of itself, as its peers judge it
	Address     Step = "address"     // where the broker is: SRV records, or as configured
	Connection  Step = "tcp"         // a connection to it
	Stream      Step = "stream"      // somebody there speaks XMPP for the domain
	StartTLS    Step = "starttls"    // and takes TLS
	TLS         Step = "tls"         // version, suite
	Chain       Step = "chain"       // who vouches for the broker
	Names       Step = "names"       // the broker's certificate names the domain
	SASL        Step = "sasl"        // the broker knows the party
	Bind        Step = "bind"        // and gives it the resource
	Presence    Step = "presence"    // the IED has said that it is there
	E2E         Step = "e2e"         // both ends prove who they are
	Association Step = "association" // and agree on MMS
	Read        Step = "read"        // and the IED answers
)

// Steps are all of them, in their order.
var Steps = []Step{Folder, Keys, Address, Connection, Stream, StartTLS, TLS, Chain, Names, SASL, Bind, Presence, E2E, Association, Read}

// An Outcome is how a step went.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Warning Outcome = "warning" // it works, and somebody should look at it
	Fault   Outcome = "fault"   // nothing beyond it was tried
	Skipped Outcome = "skipped" // it does not apply here
)

// A Check is what one step has shown.
type Check struct {
	Step    Step          `json:"step"`
	Outcome Outcome       `json:"outcome"`
	Text    string        `json:"text"`
	Detail  []string      `json:"detail,omitempty"` // what was seen, a line each
	Hint    string        `json:"hint,omitempty"`   // what to do
	Took    time.Duration `json:"-"`                // 0 where it says nothing
}

// String is the check as people read it, without a line's end.
func (c Check) String() string {
	var b strings.Builder
	outcome := string(c.Outcome)
	if c.Outcome == Fault || c.Outcome == Warning {
		outcome = strings.ToUpper(outcome)
	}
	fmt.Fprintf(&b, "%-8s %-12s %s", outcome, c.Step, c.Text)
	if c.Took > 0 {
		fmt.Fprintf(&b, " (%s ms)", millis(c.Took))
	}
	for _, line := range c.Detail {
		fmt.Fprintf(&b, "\n%22s%s", "", line)
	}
	if c.Hint != "" {
		fmt.Fprintf(&b, "\n%22sto do: %s", "", c.Hint)
	}
	return b.String()
}

// millis is a time in milliseconds, to three figures.
func millis(d time.Duration) string {
	ms := float64(d.Microseconds()) / 1000
	switch {
	case ms >= 100:
		return fmt.Sprintf("%.0f", ms)
	case ms >= 10:
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.2f", ms)
}

// report passes checks on, one after the other, whichever goroutine they come from, and knows how far they have come.
type report struct {
	tell func(Check)

	mu      sync.Mutex
	last    time.Time // when the last step ended whose time means something
	done    map[Step]bool
	faulted bool
}

// add tells of a step that has ended now; what comes after a fault is not told. timed says that its time means something.
func (r *report) add(c Check, timed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if timed {
		now := time.Now()
		c.Took = now.Sub(r.last)
		r.last = now
	}
	if r.faulted || r.done[c.Step] && c.Outcome == OK {
		return
	}
	r.done[c.Step] = true
	r.faulted = c.Outcome == Fault
	r.tell(c)
}

func (r *report) ok(step Step, timed bool, text string, detail ...string) {
	r.add(Check{Step: step, Outcome: OK, Text: text, Detail: detail}, timed)
}

// has reports whether a step has been told of.
func (r *report) has(step Step) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done[step]
}

// broken reports whether there was a fault.
func (r *report) broken() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faulted
}

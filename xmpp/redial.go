package xmpp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

// Backoff says how long Redial waits before it tries again. The waits are of
// elapsed time: that somebody sets the clock changes none.
type Backoff struct {
	// Min and Max bound the wait after a failure. Within them it is at random, up to
	// Min doubled with each failure: so those whom one server has lost do not come
	// back at once. Defaults: 250 ms and 30 s.
	Min, Max time.Duration
	// Slow is the most, and half of it the least, after the server has refused the
	// account: that does not pass by itself. Default: 1 minute.
	Slow time.Duration
	// Stable is how long a session has to last for the failures before it to be
	// forgotten. Default: 30 s.
	Stable time.Duration
}

// atOnce bounds the wait after the server has taken leave, as it does when it starts
// anew or moves its clients: then there is nothing to wait for but the others.
const atOnce = time.Second

// Outage is a time without a session.
type Outage struct {
	Err   error         // why: of the session at first, then of the last try
	Tries int           // that have failed; 0: the session has just been lost
	Wait  time.Duration // until the next one
}

// Redial makes a new session when one has ended: a Session dies once. The zero value
// is ready for use.
type Redial struct {
	Backoff Backoff
	// Persist goes on where the first try fails, too. Default: its error is final, for
	// the most likely reason is a mistake of who configured it.
	Persist bool
	// Again says whether it makes sense to try again after an error that is none of a
	// session or of Dial. Default: it always does.
	Again func(error) bool

	Down func(Outage)              // optional: told of each loss and of each failed try, before the wait
	Up   func(after time.Duration) // optional: told when there is a session again, and how long there was none
}

// Run calls attempt until it returns nil or ctx ends, and then returns nil. An attempt
// makes a session, from a Config of its own, so that it takes renewed keys and
// addresses, calls up once when all is ready, and returns why the session has ended.
//
// Run returns the error after which nobody tries again: that another session has
// taken the address (two would take it from each other in turn for ever), what Again
// says, and that of the first try.
//
// RFC 6120, Section 3.3; for the conflict Section 4.9.3.3.
func (r Redial) Run(ctx context.Context, attempt func(ctx context.Context, up func()) error) error {
	m := newRedialer(r.Backoff, rand.Float64)
	var lost time.Time // zero: there has been no session yet
	tries := 0
	for {
		err := attempt(ctx, func() {
			now := time.Now()
			m.up(now)
			if !lost.IsZero() && r.Up != nil {
				r.Up(now.Sub(lost))
			}
			lost, tries = now, 0
		})
		if err == nil || ctx.Err() != nil {
			return nil
		}
		now := time.Now()
		if m.isUp() {
			lost = now
		} else {
			tries++
		}
		if err, is := final(err); is {
			return err
		}
		if first := lost.IsZero(); first && !r.Persist || r.Again != nil && !ofSession(err) && !r.Again(err) {
			return err
		}
		if lost.IsZero() {
			lost = now
		}
		wait := m.down(now, err)
		if r.Down != nil {
			r.Down(Outage{err, tries, wait})
		}
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

// sleep reports whether d has passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// final reports whether err is that another session has taken the address, and
// returns it with what that means here.
func final(err error) (error, bool) {
	if errors.Is(err, &StreamError{Condition: Conflict, Remote: true}) {
		return fmt.Errorf("another session has taken this address, and this one does not come back by itself: %w", err), true
	}
	return err, false
}

// ofSession reports whether err is of a session or of Dial.
func ofSession(err error) bool {
	var stream *StreamError
	var ne *NegotiationError
	var end closed
	return errors.As(err, &stream) || errors.As(err, &ne) || errors.As(err, &end)
}

// A redialer decides how long to wait. It is a pure machine.
//
//	       up                  down: refused                 Slow
//	down ──────▶ up ──────▶    down: the server took leave   at once, if all was well before
//	  ▲                        down: anything else           exponential
//	  └──────────────────────────┘
type redialer struct {
	Backoff
	random   func() float64 // in [0, 1)
	since    time.Time      // when the session began, zero while there is none
	failures int            // in a row
}

func newRedialer(b Backoff, random func() float64) *redialer {
	setDefault(&b.Min, 250*time.Millisecond)
	setDefault(&b.Max, 30*time.Second)
	setDefault(&b.Slow, time.Minute)
	setDefault(&b.Stable, 30*time.Second)
	b.Max = max(b.Max, b.Min)
	return &redialer{Backoff: b, random: random}
}

func (m *redialer) isUp() bool { return !m.since.IsZero() }

// up notes that there is a session.
func (m *redialer) up(now time.Time) { m.since = now }

// down takes why there is no session, or none any more, and returns how long to wait.
func (m *redialer) down(now time.Time, err error) time.Duration {
	was := m.isUp()
	if was && now.Sub(m.since) >= m.Stable {
		m.failures = 0
	}
	m.since = time.Time{}
	switch {
	case refusal(err):
		m.failures++
		return m.between(m.Slow/2, m.Slow)
	case was && m.failures == 0 && tookLeave(err):
		m.failures++
		return m.between(0, atOnce)
	}
	m.failures = min(m.failures+1, 30)
	longest := m.Max
	if shifted := m.Min << m.failures; shifted>>m.failures == m.Min {
		longest = min(longest, shifted)
	}
	return m.between(m.Min, longest)
}

func (m *redialer) between(low, high time.Duration) time.Duration {
	return low + time.Duration(m.random()*float64(high-low))
}

// refusal reports whether the server has refused the account.
func refusal(err error) bool {
	var auth *sasl.Failure
	var refused *stanza.Error
	var stream *StreamError
	var ne *NegotiationError
	if errors.As(err, &ne) && ne.Step == StepBind && errors.As(err, &refused) {
		return true
	}
	if errors.As(err, &auth) {
		return auth.Condition != sasl.TemporaryAuthFailure
	}
	if errors.As(err, &stream) && stream.Remote {
		switch stream.Condition {
		case NotAuthorized, InvalidFrom, PolicyViolation:
			return true
		}
	}
	return false
}

// tookLeave reports whether the server has ended the session in order, and is there
// again at once: that it shuts down to start anew, or wants a new session.
//
// RFC 6120, Sections 4.9.3.16 and 4.9.3.20.
func tookLeave(err error) bool {
	for _, c := range []StreamCondition{SystemShutdown, Reset, SeeOtherHost} {
		if errors.Is(err, &StreamError{Condition: c, Remote: true}) {
			return true
		}
	}
	return errors.Is(err, ErrPeerClosed)
}

package xmpp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"busbar.example/xmpp/sasl"
)

// comeback is how long a session waits before it tries to take up its stream again:
// as short as it can be, for it has little time.
var comeback = Backoff{Min: 100 * time.Millisecond, Max: 4 * time.Second, Slow: 4 * time.Second}

// maxRefused is how often nobody may listen any more where the server was: what it
// knew of the stream has gone with it.
const maxRefused = 4

// resume takes up the stream of lost, whose connection has ended and all of whose
// stanzas are handled, over another one. It returns nil if the session has ended.
//
// XEP-0198, Section 5.
func (s *Session) resume(lost *Conn) *Conn {
	limit := lost.Resumable()
	if limit == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.open, limit)
	defer cancel()
	waits := newRedialer(comeback, rand.Float64)
	var err error
	refused := 0 // tries in a row
	for wait := waits.between(0, comeback.Min); sleep(ctx, wait); wait = waits.down(time.Now(), err) {
		cfg := s.config()
		err = cfg.reach(ctx, lost, func(_ context.Context, c *Conn) error {
			s.adopt(c)
			return nil
		})
		if err == nil {
			c := s.current()
			go c.run()
			c.expectAcknowledgement()
			if s.open.Err() != nil {
				c.End(nil)
			}
			return c
		}
		if refused++; !nobodyListens(err) {
			refused = 0
		}
		if hopeless(err) || refused >= maxRefused {
			break
		}
	}
	s.giveUp(lost, err)
	return nil
}

// errUnmoved ends a stream that the server has taken up in name only.
var errUnmoved error = closed("the server has resumed the stream, and acknowledges nothing of what was sent again")

// expectAcknowledgement gives the server the time of one write to acknowledge what was
// sent again, which it was asked to. Prosody 0.12 does not where a stanza was cut in the
// middle: it takes what comes next for the rest of it. Then only a new stream helps.
func (c *Conn) expectAcknowledgement() {
	time.AfterFunc(c.write, func() {
		if c.w.doubtful() {
			c.End(errUnmoved)
		}
	})
}

// nobodyListens reports whether nobody listens at any of the places that were tried.
func nobodyListens(err error) bool {
	var several *DialError
	if !errors.As(err, &several) {
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	return !slices.ContainsFunc(several.Tried, func(e *NegotiationError) bool { return !errors.Is(e, syscall.ECONNREFUSED) })
}

// hopeless reports whether err will not go away within the time that there is.
func hopeless(err error) bool {
	var gone *notResumed
	var auth *sasl.Failure
	var stream *StreamError
	switch {
	case errors.As(err, &gone), errors.Is(err, errEnded):
		return true
	case errors.As(err, &auth):
		return auth.Condition != sasl.TemporaryAuthFailure
	case errors.As(err, &stream):
		return !stream.Remote || stream.Condition == UndefinedCondition
	}
	return false
}

// giveUp ends the session: err says why its stream was not taken up again, nil that
// there was no time to try.
func (s *Session) giveUp(lost *Conn, err error) {
	s.mu.Lock()
	switch {
	case s.open.Err() != nil:
		s.cause = ErrClosed
	case err == nil:
		s.cause = lost.Err()
	default:
		s.cause = fmt.Errorf("%w; the stream could not be resumed: %w", lost.Err(), err)
	}
	cause := s.cause
	s.mu.Unlock()
	lost.Discard()
	lost.trace.Ended(cause)
}

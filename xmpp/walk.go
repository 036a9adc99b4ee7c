package xmpp

import (
	"errors"
	"net"
	"slices"
	"strings"

	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

// maxReferrals is how often servers may send a client elsewhere, in one Dial.
const maxReferrals = 3

// A walk goes over the servers of a domain until one takes the client. It is a
// pure machine.
type walk struct {
	left      []Target
	tried     []Target
	referrals int
}

// next is the server to try, if there is one more.
func (w *walk) next() (Target, bool) {
	if len(w.left) == 0 {
		return Target{}, false
	}
	t := w.left[0]
	w.left = w.left[1:]
	w.tried = append(w.tried, t)
	return t, true
}

// failed takes why the server that next gave last has failed, and reports whether
// it makes sense to go on. A server that sends us elsewhere puts that in front.
func (w *walk) failed(err *NegotiationError) bool {
	var stream *StreamError
	if errors.As(err, &stream) && stream.Remote && stream.Condition == SeeOtherHost {
		w.refer(err, stream)
		return true
	}
	return !decided(err)
}

// refer follows see-other-host, or says in err why not.
//
// RFC 6120, Section 4.9.3.19.
func (w *walk) refer(err *NegotiationError, e *StreamError) {
	t, ok := referral(e.Host)
	same := func(other Target) bool { return other.Address == t.Address && !other.Direct }
	switch {
	case !err.proven:
		err.Hint = "who says so has not proved to be the server: it is not followed"
	case !ok:
		err.Hint = "the server's operator has to mend that: it is no place"
	case w.referrals >= maxReferrals, slices.ContainsFunc(w.tried, same):
		err.Hint = "the servers send us round in a circle: their operator has to mend that"
	default:
		w.referrals++
		w.left = append([]Target{t}, slices.DeleteFunc(slices.Clone(w.left), same)...)
	}
}

// referral reads what stands in see-other-host: a host, or one with a port; an IPv6
// address is in brackets.
func referral(host string) (Target, bool) {
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), ClientService.port())
	}
	t, err := ParseTarget(host)
	return Target{Address: t.Address}, err == nil && !t.Direct
}

// decided reports whether err is a decision about the client, which another server
// of the domain would make as well, and must not be asked to.
func decided(err *NegotiationError) bool {
	var auth *sasl.Failure
	var refused *stanza.Error
	var stream *StreamError
	switch {
	case errors.As(err, &auth), errors.As(err, &refused):
		return true
	case errors.As(err, &stream) && stream.Remote:
		switch stream.Condition {
		case Conflict, NotAuthorized, InvalidFrom, PolicyViolation:
			return true
		}
	}
	return false
}
